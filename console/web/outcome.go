package web

import (
	"cmp"
	"regexp"
	"strings"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/notices"
	agent "github.com/ardoise/ardoise/imaging/agent/notices"
)

// outcome says why a task failed and what to do now: as the computer's own screen did, in the person's language, else in
// the console's words.
func (t tongue) outcome(o *access.Outcome) (why, what string) {
	for _, n := range agent.All() {
		if string(n.Code) == o.Code {
			return sentence(refill(n.What, agent.Lang(t.lang), o.Detail)), sentence(n.Do.In(agent.Lang(t.lang)))
		}
	}
	if n, ok := notices.Find(o.Code); ok {
		text := n.Say(notices.Language(t.lang), "", o.Detail)
		return sentence(text.What), sentence(text.Do)
	}
	return sentence(cmp.Or(o.Detail, o.Code)), t.say("job.retry")
}

// verbs are where a text of the agent takes an argument.
var verbs = regexp.MustCompile(`%(\[(\d+)\])?[-+# 0]*\d*(\.\d+)?[a-zA-Z]`)

// refill says a sentence in a language that came in English: its arguments are found again by its English text. Where that
// cannot be done, it stays as it came.
func refill(text agent.Text, lang agent.Lang, detail string) string {
	if !verbs.MatchString(text.EN) {
		return text.In(lang)
	}
	var pattern strings.Builder
	end := 0
	for _, at := range verbs.FindAllStringIndex(text.EN, -1) {
		pattern.WriteString(regexp.QuoteMeta(text.EN[end:at[0]]) + `(.*?)`)
		end = at[1]
	}
	pattern.WriteString(regexp.QuoteMeta(text.EN[end:]))
	found := regexp.MustCompile(`(?s)^` + pattern.String()).FindStringSubmatch(detail)
	if found == nil || strings.Contains(text.EN+text.FR, "%[") {
		return detail
	}
	args := found[1:]
	return verbs.ReplaceAllStringFunc(text.In(lang), func(string) string {
		if len(args) == 0 {
			return "…"
		}
		a := args[0]
		args = args[1:]
		return a
	})
}
