package web

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/people"
	"github.com/ardoise/ardoise/imaging/job"
)

// menuSchool has a room with a menu, of which two computers can be reset without the server, a room without one, and one in
// which all can.
func menuSchool(t *testing.T) *school {
	t.Helper()
	now := time.Date(2026, 11, 24, 10, 12, 0, 0, time.UTC)
	var c fleet.Change
	for _, name := range []string{"S104", "S105", "S106"} {
		r := fleet.NewRoom(name)
		r.Menu = name != "S105"
		c.Rooms = append(c.Rooms, r)
	}
	manifest := strings.Repeat("ab", 32)
	able := job.LocalState{Place: true, Counter: 5, Cached: []job.Cached{{Manifest: manifest}}}
	lacks := able
	lacks.Cached = []job.Cached{{Manifest: manifest, Missing: 70_000_000}}
	for _, x := range []struct {
		name, room string
		state      job.LocalState
		proof      *job.Proof
	}{
		{"S104-01", "S104", able, &job.Proof{Level: job.LevelFull, Read: 5e6, Differed: 3e6, Written: 2e6, FromCache: 1.5e6, FromNet: 4e5, Seconds: 3}},
		{"S104-02", "S104", able, &job.Proof{Level: job.LevelFull, Read: 5e6, Seconds: 3}},
		{"S104-03", "S104", job.LocalState{WhyNot: "ARDOISE needs 320 MiB behind the master's last partition, the disk has 12."}, nil},
		{"S104-04", "S104", job.LocalState{}, nil},
		{"S104-05", "S104", lacks, nil},
		{"S105-01", "S105", able, nil},
		{"S106-01", "S106", able, nil},
	} {
		n := len(c.Computers) + 1
		pc := fleet.Computer{ID: fmt.Sprintf("%032x", n), Name: x.name, Room: x.room, State: fleet.Enrolled, Key: fmt.Sprintf("%064x", n), KeyStored: true,
			MACs: []string{fmt.Sprintf("52:54:00:00:00:%02x", n)}, Created: now, LastSeen: now, Local: &fleet.Local{State: x.state, At: now},
			Runs:  &fleet.Proven{Master: "Bureautique", Version: 5, Manifest: manifest, At: now},
			Grant: &fleet.Grant{Counter: 5, Digest: "d", Target: &fleet.Target{Master: "Bureautique", Version: 5, Manifest: manifest}}}
		if x.proof != nil {
			pc.LastProof = &fleet.ProofKept{Proof: *x.proof, Kept: now}
		}
		c.Computers = append(c.Computers, pc)
	}
	s := schoolWith(t, c)
	s.person("marie", people.Administrator, nil, nil)
	s.person("claire", people.Teacher, nil, []string{"S104"})
	return s
}

// The map says whether computers can be reset without the server, or why not: of a room over its tiles, of each at its own.
func TestAMapSaysWhichResetsNeedNoServer(t *testing.T) {
	s := menuSchool(t)
	const mixed = `Reset without the network: 2 yes, <a href="/?q=offline%3Ano&#43;room%3AS104">3 no (the disk has no place for it: 2, the cache is not complete: 1)</a></p>`
	marie := s.as("marie")
	marie.want("/", 200, mixed, `Reset without the network: no, the room has no start menu</p>`, `Reset without the network: yes</p>`,
		`S104-01: Ready · Bureautique@5 · Reset without the network: yes"`,
		`S104-03: Ready · Bureautique@5 · Reset without the network: no, the disk has no place for it"`,
		`S104-05: Ready · Bureautique@5 · Reset without the network: no, the cache is not complete"`)
	s.as("claire").want("/", 200, mixed)
	marie.want("/rooms/S104", 200, mixed)
	_, body := marie.get("/?q=offline%3Ano+room%3AS104")
	if boards, tiles, dim, _ := shown(body); boards != 1 || tiles != 5 || dim != 2 {
		t.Errorf("who asks for those that cannot is shown %d rooms, %d computers, %d of them dim", boards, tiles, dim)
	}
	marie.language = "fr"
	marie.want("/", 200, "Remise à zéro sans réseau\u00a0: 2 oui, ", ">3 non (pas de place sur le disque\u00a0: 2, cache incomplet\u00a0: 1)</a>",
		"Remise à zéro sans réseau\u00a0: non, pas de menu de démarrage</p>")
	// What changes is said at once.
	_, err := s.fleet.SetRoom(t.Context(), "S106", "marie", func(r *fleet.Room) { r.Policy = job.PolicyNever })
	check(t, err)
	marie.want("/", 200, "Remise à zéro sans réseau\u00a0: non, jamais de remise à zéro dans cette salle</p>")
}

// Each sentence of the fleet's has its few words, in both languages; a name that is a word of one changes nothing.
func TestWhatHindersAResetIsSaidInFewWords(t *testing.T) {
	for sentence, want := range map[string]string{
		"no, because it is not enrolled":                                              "enrolled",
		"no, because it is in no room":                                                "noroom",
		"no, because computers of room grant are never reset":                         "never",
		"no, because room grant has no start menu":                                    "menu",
		"no, because it is not proven what its disk holds":                            "unproven",
		"no, because its agent has not put there yet what that needs":                 "agent",
		"no, because its disk has no place for it":                                    "place",
		"no, because The master's partition table has no free entry for ARDOISE.":     "table",
		"no, because its disk has no grant yet: it gets one when it starts the agent": "grant",
		"no, because its cache lacks 12 MB of grant@3":                                "cache",
		"no, because its cache does not hold ARDOISE@3":                               "cache",
		"no, because BitLocker encrypts partition 3: with a start menu, Windows":      "encrypted",
		"no, because the menu is not on its disk yet: it comes when it starts":        "later",
		"no, because the moon is full":                                                "other",
	} {
		if got := hindrance(sentence); got != want {
			t.Errorf("%q is %q, want %q", sentence, got, want)
		}
		for _, lang := range []string{"fr", "en"} {
			if says := (tongue{lang: lang}).alone(sentence); strings.Contains(says, "lacks.") {
				t.Errorf("%s: %q is said as %q", lang, sentence, says)
			}
		}
	}
	if says := (tongue{lang: "fr"}).alone(""); says != "" {
		t.Errorf("what nobody has looked at is said as %q", says)
	}
}

// A computer's page says of the last reset what was read, different, rewritten, and where that came from.
func TestAComputerSaysWhereItsResetCameFrom(t *testing.T) {
	s := menuSchool(t)
	marie := s.as("marie")
	marie.want("/computers/S104-01", 200, "full in 3 s; 5.00\u00a0MB read, 3.00\u00a0MB different, 2.00\u00a0MB rewritten, 1.50\u00a0MB came from its cache, 400\u00a0kB came from the network</span>")
	marie.want("/computers/S104-02", 200, "5.00\u00a0MB read, 0\u00a0bytes different, 0\u00a0bytes rewritten</span>")
	marie.language = "fr"
	marie.want("/computers/S104-01", 200, "5,00\u00a0Mo lus, 3,00\u00a0Mo différents, 2,00\u00a0Mo réécrits, 1,50\u00a0Mo venus de son cache, 400\u00a0ko venus du réseau</span>")
}
