package web

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/notices"
	"github.com/ardoise/ardoise/console/web/words"
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/people"
)

// visit is one request by one person.
type visit struct {
	tongue
	c        *console
	w        http.ResponseWriter
	r        *http.Request
	signedIn bool
	Caller   people.Caller
	Desk     access.Desk
	theme    string // light, dark or "" for the device's
}

// The cookies. Their prefix makes browsers refuse them over HTTP, for other paths and for other hosts' names.
const (
	cookieSession  = "__Host-ardoise"
	cookieLanguage = "__Host-lang"
	cookieTheme    = "__Host-theme"
	cookieFlash    = "__Host-flash"
)

func (c *console) visit(w http.ResponseWriter, r *http.Request) *visit {
	v := &visit{c: c, w: w, r: r}
	v.tongue = tongue{lang: languageOf(r.Header.Get("Accept-Language")), now: c.Now, zone: c.Zone}
	if l := v.cookie(cookieLanguage); l == words.French || l == words.English {
		v.lang = l
	}
	if t := v.cookie(cookieTheme); t == "light" || t == "dark" {
		v.theme = t
	}
	if token := v.cookie(cookieSession); token != "" {
		if caller, err := c.sessionOf(r, token); err == nil {
			v.signedIn, v.Caller, v.Desk = true, caller, c.House.For(caller)
		}
	}
	return v
}

// sessionOf is whose session a cookie is. A page that is open comes back for its stream by itself: that is no use of it.
func (c *console) sessionOf(r *http.Request, token string) (people.Caller, error) {
	if r.URL.Path == eventsPath {
		return c.People.StillIn(token, addressOf(r))
	}
	return c.People.BySession(r.Context(), token, addressOf(r))
}

func (v *visit) cookie(name string) string {
	if k, err := v.r.Cookie(name); err == nil {
		return k.Value
	}
	return ""
}

// setCookie keeps a value in the browser; seconds 0: until it is closed, less: not any more.
func (v *visit) setCookie(name, value string, seconds int) {
	http.SetCookie(v.w, &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: seconds, Secure: true, HttpOnly: true,
		SameSite: http.SameSiteLaxMode})
}

// mayAnywhere tells whether a caller may do something in at least one place. What is done where is for the desk to judge.
func mayAnywhere(c people.Caller, a people.Action) bool {
	return c.May(a, people.Whole, "") || c.May(a, "", "") ||
		slices.ContainsFunc(c.Sites, func(s string) bool { return c.May(a, s, "") }) ||
		slices.ContainsFunc(c.Rooms, func(r string) bool { return c.May(a, fleet.SiteOf(r), r) })
}

// May tells whether the person may do something somewhere: whether a page has a button for it.
func (v *visit) May(a people.Action) bool { return mayAnywhere(v.Caller, a) }

// form reads what was sent.
func (v *visit) form() (*Form, error) {
	if err := v.r.ParseForm(); err != nil {
		return nil, access.Bad("reading the form: " + err.Error())
	}
	return newForm(v.tongue, v.r.PostForm), nil
}

// local keeps a way back from leading to another site.
func local(path string) string {
	u, err := url.Parse(path)
	if err != nil || u.Scheme != "" || u.Host != "" || !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") ||
		strings.ContainsAny(path, "\\\r\n\t") {
		return "/"
	}
	return path
}

// seeOther sends the browser on after a change. htmx is told in its own way, so that the whole page follows.
func (v *visit) seeOther(path string) error {
	if v.r.Header.Get("HX-Request") != "" {
		v.w.Header().Set("HX-Redirect", local(path))
		v.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	http.Redirect(v.w, v.r, local(path), http.StatusSeeOther)
	return nil
}

// askToSignIn sends somebody without a session to the login page, and back afterwards.
func (v *visit) askToSignIn() {
	if v.r.Method != http.MethodGet || v.r.Header.Get("HX-Request") != "" || v.r.URL.Path == eventsPath {
		v.w.Header().Set("HX-Redirect", "/login?ended=1")
		v.w.WriteHeader(http.StatusUnauthorized)
		return
	}
	to := "/login"
	if next := v.r.URL.RequestURI(); next != "/" {
		to += "?next=" + url.QueryEscape(next)
	}
	http.Redirect(v.w, v.r, to, http.StatusSeeOther)
}

// flashed is a message for the next page.
type flashed struct {
	Good bool
	Text string
}

// maxFlash is the longest message, in characters: a cookie has 4,096 bytes.
const maxFlash = 600

// flash says on the next page that something was done.
func (v *visit) flash(key string, args ...any) {
	v.leave(flashed{Good: true, Text: v.say(key, args...)})
}

// warn says on the next page that something was not done, and why.
func (v *visit) warn(err error) {
	what, do := v.notice(access.ErrorOf(err))
	v.leave(flashed{Text: what + " " + do})
}

func (v *visit) leave(f flashed) {
	if r := []rune(f.Text); len(r) > maxFlash {
		f.Text = string(r[:maxFlash]) + "…"
	}
	b, _ := json.Marshal(f) // strings only
	v.setCookie(cookieFlash, base64.RawURLEncoding.EncodeToString(b), 60)
}

// takeFlash returns the message that the page before has left, once.
func (v *visit) takeFlash() *flashed {
	raw := v.cookie(cookieFlash)
	if raw == "" {
		return nil
	}
	v.setCookie(cookieFlash, "", -1)
	b, err := base64.RawURLEncoding.DecodeString(raw)
	var f flashed
	if err != nil || json.Unmarshal(b, &f) != nil || f.Text == "" {
		return nil
	}
	return &f
}

// notice says an error of the desk in the language of the person: what happened, and what to do. What is foreign in it is
// marked; templates print it with said.
func (v *visit) notice(e *access.Error) (what, do string) { return v.tongue.notice(e) }

func (t tongue) notice(e *access.Error) (what, do string) {
	n, ok := notices.Find(e.Code)
	if !ok {
		return sentence(t.in("", e.Error())), ""
	}
	text := n.Marked(notices.Language(t.lang), e.What, e.Detail)
	if hint := "hint." + e.Code; t.say(hint) != hint { // what a page says of it is not what a terminal does
		text.Do = t.say(hint)
	}
	return notices.SentenceOf(e.What, text.What), sentence(text.Do)
}

// sentence begins with a capital and ends with a point.
func sentence(s string) string { return notices.Sentence(s) }

// notHere is the answer for what is not there.
func (v *visit) notHere() error {
	return &access.Error{Status: http.StatusNotFound, Code: "no-route", What: v.r.URL.Path}
}
