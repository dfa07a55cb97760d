package post

import (
	"fmt"
	"html/template"
	"slices"
	"strings"
	texttemplate "text/template"
	"time"

	"github.com/ardoise/ardoise/console/notices"
)

// Report is what happened between two mornings.
type Report struct {
	Box   string    `json:"box"`            // name of the box
	Site  string    `json:"site,omitempty"` // that it is of alone; "": of everything
	Link  string    `json:"link,omitempty"` // of the console
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
	Trial bool      `json:"trial,omitempty"` // somebody tries the settings
	Jobs  []Job     `json:"jobs"`            // that ended, oldest first

	Requests []Request `json:"requests,omitempty"` // that are open, newest first, at most 50
	Open     int       `json:"open_requests"`      // how many are, in all
}

// Request is what somebody reported, and nobody has answered.
type Request struct {
	ID       string    `json:"id"`
	Computer string    `json:"computer,omitempty"` // "": of the room as a whole
	Room     string    `json:"room,omitempty"`
	Text     string    `json:"text"`
	Created  time.Time `json:"created"`
}

// Tells whether a report has anything that its readers have not heard: a job that ended, or a request of this span.
func (r Report) Tells() bool {
	return len(r.Jobs) > 0 || slices.ContainsFunc(r.Requests, func(q Request) bool { return !q.Created.Before(r.Since) })
}

// Job is one that ended.
type Job struct {
	ID        string    `json:"id"`
	Kind      string    `json:"kind"`
	What      string    `json:"what,omitempty"` // NAME@V
	By        string    `json:"by"`
	Ended     time.Time `json:"ended"`
	Total     int       `json:"total"` // computers
	Done      int       `json:"done"`
	Cancelled int       `json:"cancelled"`
	Failed    []Failure `json:"failed"`
}

// Failure is a computer that a job did not succeed on.
type Failure struct {
	Computer string `json:"computer"`
	Room     string `json:"room,omitempty"`
	Happened string `json:"happened"` // a sentence
	Do       string `json:"do"`       // what to do now
}

// Counts are the computers of all jobs: how many are done, of how many, and how many failed.
func (r Report) Counts() (done, total, failed int) {
	for _, j := range r.Jobs {
		done, total, failed = done+j.Done, total+j.Total, failed+len(j.Failed)
	}
	return done, total, failed
}

// words are what a mail says, in one language. A text of the form "one|many" is chosen by the first number in it, or by
// the only one.
type words struct {
	subject, allWell, quiet, nothing, trial, intro, jobBy, done, cancelled, failed, do, look string
	asked, askedFor, since, more                                                             string
	kinds                                                                                    map[string]string
	clock                                                                                    string
}

func wordsOf(l notices.Language) words {
	if l == notices.English {
		return words{subject: "Ardoise %s: %d of %d computers is ready, %d to look at|Ardoise %s: %d of %d computers are ready, %d to look at",
			allWell: "Ardoise %s: %d computer is ready|Ardoise %s: all %d computers are ready",
			quiet:   "Ardoise %s: a trial", nothing: "Nothing ended.",
			trial: "This is a trial: somebody wants to see whether reports arrive.",
			intro: "What ended between %s and %s:", jobBy: "ordered by %s, ended at %s", done: "%d of %d done", cancelled: "%d cancelled",
			failed: "To look at", do: "Now", look: "Look at it in the console",
			asked:    "Ardoise %s: %d request is open|Ardoise %s: %d requests are open",
			askedFor: "%d request waits for an answer|%d requests wait for an answer", since: "since %s", more: "and %d other|and %d others",
			kinds: map[string]string{"deploy": "Deployment", "reset": "Reset", "stage": "Staging", "capture": "Capture", "verify": "Check",
				"wipe": "Wipe", "inventory": "Inventory", "script": "Script", "shutdown": "Shutdown"}, clock: "Jan 2, 15:04"}
	}
	return words{subject: "Ardoise %s : %d poste sur %d est prêt, %d à regarder|Ardoise %s : %d postes sur %d sont prêts, %d à regarder",
		allWell: "Ardoise %s : %d poste est prêt|Ardoise %s : les %d postes sont prêts",
		quiet:   "Ardoise %s : un essai", nothing: "Rien ne s’est terminé.",
		trial: "Ceci est un essai : quelqu’un veut voir si les rapports arrivent.",
		intro: "Ce qui s’est terminé entre le %s et le %s :", jobBy: "ordre de %s, fin le %s", done: "%d sur %d fait|%d sur %d faits",
		cancelled: "%d annulé|%d annulés", failed: "À regarder", do: "Maintenant", look: "Voir dans la console",
		asked:    "Ardoise %s : %d demande est ouverte|Ardoise %s : %d demandes sont ouvertes",
		askedFor: "%d demande attend une réponse|%d demandes attendent une réponse", since: "depuis le %s", more: "et %d autre|et %d autres",
		kinds: map[string]string{"deploy": "Déploiement", "reset": "Remise à zéro", "stage": "Préparation", "capture": "Capture",
			"verify": "Vérification", "wipe": "Effacement", "inventory": "Inventaire", "script": "Script", "shutdown": "Arrêt"},
		clock: "02/01 15:04"}
}

// counted fills in a text of the form "one|many", chosen by n as the language counts: French says "0 poste".
func counted(l notices.Language, text string, n int, args ...any) string {
	one, many, both := strings.Cut(text, "|")
	if both && (n > 1 || n != 1 && l == notices.English) {
		one = many
	}
	return fmt.Sprintf(one, args...)
}

// Subject is the first line of a report.
func (r Report) Subject(l notices.Language) string {
	w := wordsOf(l)
	done, total, failed := r.Counts()
	where := r.Box
	if r.Site != "" {
		where += ", " + r.Site
	}
	if total == 0 && r.Open > 0 {
		return counted(l, w.asked, r.Open, where, r.Open)
	}
	if total == 0 { // of a trial
		return fmt.Sprintf(w.quiet, where)
	}
	if failed == 0 && done == total {
		return counted(l, w.allWell, total, where, total)
	}
	return counted(l, w.subject, done, where, done, total, failed)
}

// view is a report in the words of a language.
type view struct {
	Subject, Trial, Intro, Nothing, Failed, Do, Look, Link string
	Jobs                                                   []jobView
	Asked, More                                            string
	Requests                                               []requestView
}

type requestView struct{ Where, Since, Text string }

type jobView struct {
	Title, By, Counts string
	Failed            []Failure
}

func (r Report) view(l notices.Language, zone *time.Location) view {
	w := wordsOf(l)
	clock := func(t time.Time) string { return t.In(zone).Format(w.clock) }
	out := view{Subject: r.Subject(l), Intro: fmt.Sprintf(w.intro, clock(r.Since), clock(r.Until)), Failed: w.failed, Do: w.do,
		Look: w.look, Link: r.Link}
	if r.Trial {
		out.Trial = w.trial
	}
	if len(r.Jobs) == 0 {
		out.Nothing = w.nothing
	}
	if r.Open > 0 {
		out.Asked = counted(l, w.askedFor, r.Open, r.Open)
	}
	if more := r.Open - len(r.Requests); more > 0 {
		out.More = counted(l, w.more, more, more)
	}
	for _, q := range r.Requests {
		where := q.Computer
		if where == "" {
			where = q.Room
		} else if q.Room != "" {
			where += " (" + q.Room + ")"
		}
		out.Requests = append(out.Requests, requestView{where, fmt.Sprintf(w.since, clock(q.Created)), strings.Join(strings.Fields(q.Text), " ")})
	}
	for _, j := range r.Jobs {
		kind := w.kinds[j.Kind]
		if kind == "" {
			kind = j.Kind
		}
		x := jobView{Title: strings.TrimSpace(fmt.Sprintf("%s %s", kind, j.What)), By: fmt.Sprintf(w.jobBy, j.By, clock(j.Ended)),
			Counts: counted(l, w.done, j.Done, j.Done, j.Total), Failed: j.Failed}
		if j.Cancelled > 0 {
			x.Counts += ", " + counted(l, w.cancelled, j.Cancelled, j.Cancelled)
		}
		out.Jobs = append(out.Jobs, x)
	}
	return out
}

const asText = `{{with .Trial}}{{.}}

{{end}}{{.Intro}}{{with .Nothing}} {{.}}{{end}}
{{range .Jobs}}
* {{.Title}}: {{.Counts}}
  {{.By}}
{{with .Failed}}  {{$.Failed}}:
{{range .}}  - {{.Computer}}{{with .Room}} ({{.}}){{end}}: {{.Happened}}
    {{$.Do}}: {{.Do}}
{{end}}{{end}}{{end}}{{with .Asked}}
{{.}}:
{{range $.Requests}}  - {{.Where}}, {{.Since}}: {{.Text}}
{{end}}{{with $.More}}  - {{.}}
{{end}}{{end}}{{with .Link}}
{{$.Look}}: {{.}}
{{end}}`

const asHTML = `<!doctype html><meta charset="utf-8"><div style="font-family:sans-serif;max-width:42em;color:#1d2b33">
<h1 style="font-size:1.2em">{{.Subject}}</h1>{{with .Trial}}<p><em>{{.}}</em></p>{{end}}<p>{{.Intro}}{{with .Nothing}} {{.}}{{end}}</p>
{{range .Jobs}}<h2 style="font-size:1em;margin-bottom:0">{{.Title}}: {{.Counts}}</h2><p style="margin-top:0;color:#5a6a72">{{.By}}</p>
{{with .Failed}}<p style="margin-bottom:0"><strong>{{$.Failed}}</strong></p><ul>{{range .}}<li><strong><bdi>{{.Computer}}</bdi></strong>
{{- with .Room}} (<bdi>{{.}}</bdi>){{end}}: {{.Happened}}<br>{{$.Do}}: {{.Do}}</li>{{end}}</ul>{{end}}{{end}}
{{with .Asked}}<h2 style="font-size:1em;margin-bottom:0">{{.}}</h2><ul>{{range $.Requests}}<li><strong><bdi>{{.Where}}</bdi></strong>, {{.Since}}: <span dir="auto">{{.Text}}</span></li>{{end}}
{{- with $.More}}<li>{{.}}</li>{{end}}</ul>{{end}}
{{with .Link}}<p><a href="{{.}}">{{$.Look}}</a></p>{{end}}</div>
`

// Text renders a report for people who read plain mail.
func (r Report) Text(l notices.Language, zone *time.Location) (string, error) {
	t, err := texttemplate.New("text").Parse(asText)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = t.Execute(&b, r.view(l, zone))
	return b.String(), err
}

// HTML renders a report; whatever comes from computers and people is escaped.
func (r Report) HTML(l notices.Language, zone *time.Location) (string, error) {
	t, err := template.New("html").Parse(asHTML)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = t.Execute(&b, r.view(l, zone))
	return b.String(), err
}
