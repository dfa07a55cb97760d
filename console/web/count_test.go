package web

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/web/words"
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/people"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters"
)

// plural makes the plural of a word or two as both languages do with those of states: each noun or adjective gets an s, but
// what begins with a preposition stays.
func plural(one string) string {
	for _, invariable := range []string{"en ", "à ", "dans ", "in ", "to "} {
		if strings.HasPrefix(one, invariable) {
			return one
		}
	}
	first, rest, of := strings.Cut(one, " de ")
	if of {
		return first + "s de " + rest
	}
	return one + "s"
}

// miscounted names the states that a table cannot say after a number.
func miscounted(table map[string]words.Pair, states []string) (wrong []string) {
	nouns := []string{"alarm", "boot loop"} // English adjectives do not count
	for _, state := range states {
		p := table["count."+state]
		french, frenchMany, both := strings.Cut(p.French, "|")
		english, englishMany, bothEnglish := strings.Cut(p.English, "|")
		want := english
		if slices.Contains(nouns, english) {
			want = plural(english)
		}
		if !both || !bothEnglish || french == "" || english == "" || frenchMany != plural(french) || englishMany != want {
			wrong = append(wrong, state)
		}
	}
	return wrong
}

func TestEveryStateIsSaidAfterANumber(t *testing.T) {
	var states []string
	for key := range words.All() {
		if state, ok := strings.CutPrefix(key, "state."); ok {
			states = append(states, state)
		}
	}
	slices.Sort(states)
	faulty := map[string]words.Pair{"count.ok": {French: "prêt|prêts", English: "ready|ready"}, "count.blank": {French: "vierge|vierge", English: "blank|blank"},
		"count.loop": {French: "boucle de démarrage|boucles de démarrage", English: "boot loop|boot loop"}, "count.old": {French: "ancien", English: "outdated"},
		"count.waiting": {French: "en attente|en attente", English: "waiting|waiting"}}
	if got := miscounted(faulty, []string{"blank", "loop", "new", "ok", "old", "waiting"}); !slices.Equal(got, []string{"blank", "loop", "new", "old"}) {
		t.Fatalf("the test itself finds %q", got)
	}
	if wrong := miscounted(words.All(), states); len(wrong) > 0 || len(states) < 15 {
		t.Errorf("of %d states these are not said after a number: %q", len(states), wrong)
	}
	for _, state := range states {
		p := words.All()["count."+state]
		fr, frMany, _ := strings.Cut(p.French, "|")
		en, enMany, _ := strings.Cut(p.English, "|")
		for n, want := range map[int][2]string{0: {fr, enMany}, 1: {fr, en}, 2: {frMany, enMany}} {
			for i, lang := range []string{words.French, words.English} {
				tongue := tongue{lang: lang}
				if got := tongue.counted(tongue.mark(state, "check"), n); got.State.Word != want[i] || got.N != n || got.State.Class != state {
					t.Errorf("%d %s in %s is %+v, want %q", n, state, lang, got, want[i])
				}
			}
		}
	}
}

// What a page counts agrees with its number: on the map, in the list of jobs and on a job's page.
func TestPagesCountAsTheirLanguageDoes(t *testing.T) {
	s := newSchool(t)
	v := s.publish("Bureautique", "", 6)
	s.room("S104", "", 1, 3)
	s.person("paul", people.Technician, nil, nil)
	b := s.as("paul")
	says := func(path, french, english string) {
		t.Helper()
		b.language = "fr"
		b.want(path, 200, french)
		b.language = "en"
		b.want(path, 200, english)
	}
	says("/", "<b>3</b> vierges</span>", "<b>3</b> blank</span>")
	says("/?q=name:S104-01", ">1 sur 3 correspond au filtre<", ">1 of 3 matches the filter<")
	says("/?q=room:S104", ">3 sur 3 correspondent au filtre<", ">3 of 3 match the filter<")
	j := s.give(fleet.Order{Kind: job.KindDeploy, Room: "S104"}, v)
	s.done(1)
	says("/", "<b>1</b> prêt</span>", "<b>1</b> ready</span>")
	says("/jobs", "2 en attente, 1 terminé<", "2 waiting, 1 done<")
	s.done(2)
	says("/", "<b>2</b> prêts</span>", "<b>2</b> ready</span>")
	says("/jobs", "1 en attente, 2 terminés<", "1 waiting, 2 done<")
	says("/jobs/"+j.Job.ID, `<p class="figure-label">terminés</p>`, `<p class="figure-label">done</p>`)
}

// A schedule names whom it still owes their task, and what keeps them.
func TestASchedulesPageNamesWhoIsOwed(t *testing.T) {
	s := newSchool(t)
	s.room("S104", "", 1, 3)
	s.person("marie", people.Administrator, nil, nil)
	week := []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}
	_, err := s.desk("marie").SetSchedule(t.Context(), access.Schedule{Name: "Extinction", Days: week, At: "22:00", Until: "23:59",
		Order: access.ScheduledOrder{Kind: job.KindShutdown, Rooms: []string{"S104"}}})
	check(t, err)
	s.now = time.Date(2026, 11, 24, 21, 50, 0, 0, time.UTC)
	keeps := s.give(fleet.Order{Kind: job.KindInventory, Computers: []string{"S104-02", "S104-03"}}, masters.Version{})
	b := s.as("marie")
	if body := b.want("/schedules", 200, "Extinction"); strings.Contains(body, "turn") {
		t.Error("before its window something is owed")
	}
	s.now = time.Date(2026, 11, 24, 22, 0, 0, 0, time.UTC)
	check(t, s.fleet.Tick(t.Context()))
	body := b.want("/schedules", 200, "2 computers still wait for their turn, busy with another order: Inventory", "<bdi>S104-02</bdi>", "<bdi>S104-03</bdi>",
		"Inventory by marie, job", `href="/jobs/`+keeps.Job.ID+`"`)
	if strings.Contains(body, "S104-01") {
		t.Error("who has its task is owed it")
	}
	b.language = "fr"
	b.want("/schedules", 200, "2 postes attendent encore leur tour, occupés par un autre ordre\u00a0: Inventaire", "Inventaire par marie, travail")
	ends := func(n int) {
		s.report(n, func(*job.Report) {})
		s.report(n, func(r *job.Report) { r.State, r.Outcome = job.TaskDone, &job.Outcome{Code: "ok"} })
	}
	ends(2)
	b.want("/schedules", 200, "2 postes attendent encore leur tour, occupés par un autre ordre\u00a0: Inventaire", "libéré</li>")
	ends(3)
	b.want("/schedules", 200, "2 postes libérés vont recevoir leur tâche")
	s.now = s.now.Add(time.Minute)
	check(t, s.fleet.Tick(t.Context()))
	if body := b.want("/schedules", 200); strings.Contains(body, "attendent") || strings.Contains(body, "libéré") {
		t.Error("what was given is still owed")
	}
}

// A computer's page says when it was seen last and where, and that it stands in another site's network.
func TestAComputersPageSaysWhereItWasSeen(t *testing.T) {
	room := fleet.NewRoom("curie/S104")
	s := schoolWith(t, fleet.Change{Rooms: []fleet.Room{room}, Sites: []fleet.Site{
		{Name: "zola", Networks: []netip.Prefix{netip.MustParsePrefix("10.4.0.0/16")}},
		{Name: "curie", Networks: []netip.Prefix{netip.MustParsePrefix("10.9.0.0/16")}}}})
	s.computer(1, "S104-01", "curie/S104")
	s.person("marie", people.Administrator, nil, nil)
	b := s.as("marie")
	b.want("/computers/S104-01", 200, "Last seen just now, at 10.4.0.11", "It was seen in the network of site zola, but it belongs to curie.")
	for after, want := range map[time.Duration]string{72 * time.Hour: "il y a 3 jours", 98 * 24 * time.Hour: "le 24 nov. 2026", 7 * 24 * time.Hour: "il y a 7 jours"} {
		s.now = time.Date(2026, 11, 24, 10, 12, 0, 0, time.UTC).Add(after)
		b = s.as("marie")
		b.language = "fr"
		b.want("/computers/S104-01", 200, "Vu pour la dernière fois "+want+", à l’adresse 10.4.0.11", "Il a été vu dans le réseau de l’établissement zola, alors qu’il appartient à curie.")
	}
	x := tongue{lang: words.French, zone: time.UTC}
	if got := x.day(time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC)); got != "1er mars 2027" {
		t.Errorf("the first of March is %q", got)
	}
}
