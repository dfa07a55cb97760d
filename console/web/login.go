package web

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/oidc"
	"github.com/ardoise/ardoise/console/web/words"
	"github.com/ardoise/ardoise/fleet/people"
)

// loginView is what the login page shows.
type loginView struct {
	Form  *Form
	Error string // of the whole, not of a field
	SSO   string // name of the button; "": there is none
}

func (v *visit) loginPage(status int, f *Form, complaint string) error {
	view := loginView{Form: f, Error: complaint}
	if v.c.OIDC != nil {
		view.SSO = v.c.OIDCName
	}
	return v.page("login", Page{Title: v.say("login.title"), Status: status, Bare: true, Data: view})
}

// showLogin asks who it is.
func (c *console) showLogin(v *visit) error {
	if v.signedIn {
		return v.seeOther(local(v.r.URL.Query().Get("next")))
	}
	f := newForm(v.tongue, nil)
	f.Default("next", local(v.r.URL.Query().Get("next")))
	complaint := ""
	if v.r.URL.Query().Has("ended") {
		complaint = v.say("login.ended")
	}
	return v.loginPage(http.StatusOK, f, complaint)
}

// login opens a session. Who types wrong is told the same whether the login exists or not.
func (c *console) login(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	session, err := c.People.Login(v.r.Context(), f.Value("login"), f.Value("password"), addressOf(v.r))
	var refused *people.RefusedError
	switch {
	case errors.As(err, &refused) && (refused.Code == people.CodeTooMany || refused.Code == people.CodeBusy):
		v.w.Header().Set("Retry-After", strconv.Itoa(int(max(refused.Wait, time.Second)/time.Second)))
		return v.loginPage(http.StatusTooManyRequests, f, v.say("login.slow", v.span(max(refused.Wait, time.Second))))
	case errors.As(err, &refused):
		return v.loginPage(http.StatusUnprocessableEntity, f, v.say("login.wrong"))
	case err != nil:
		return err
	}
	v.open(session)
	return v.seeOther(local(f.Value("next")))
}

// open gives the browser its session.
func (v *visit) open(s people.Session) {
	v.setCookie(cookieSession, s.Token, max(int(s.Expires.Sub(v.c.Now())/time.Second), 1))
	if l := s.Person.Language; l != "" {
		v.setCookie(cookieLanguage, l, 365*24*3600)
	}
	if t := s.Person.Theme; t != "" {
		v.setCookie(cookieTheme, t, 365*24*3600)
	}
}

func (c *console) logout(v *visit) error {
	if token := v.cookie(cookieSession); token != "" {
		if err := c.People.Logout(v.r.Context(), token); err != nil {
			return err
		}
	}
	v.setCookie(cookieSession, "", -1)
	return v.seeOther("/login")
}

// cookieProvider holds, sealed, what a login by the provider has to remember.
const cookieProvider = "__Host-oidc"

// beginSSO sends the person to the provider.
func (c *console) beginSSO(v *visit) error {
	if c.OIDC == nil {
		return v.fail(http.StatusNotFound, nil)
	}
	to, cookie, err := c.OIDC.Begin(v.r.Context(), local(v.r.URL.Query().Get("next")))
	if err != nil {
		return c.notLetIn(v, err)
	}
	v.setCookie(cookieProvider, cookie, 600)
	http.Redirect(v.w, v.r, to, http.StatusSeeOther)
	return nil
}

// endSSO takes the person back from the provider.
func (c *console) endSSO(v *visit) error {
	if c.OIDC == nil {
		return v.fail(http.StatusNotFound, nil)
	}
	cookie := v.cookie(cookieProvider)
	v.setCookie(cookieProvider, "", -1)
	who, next, err := c.OIDC.Finish(v.r.Context(), cookie, v.r.URL.Query())
	if err != nil {
		return c.notLetIn(v, err)
	}
	session, err := c.People.LoginExternal(v.r.Context(), who.External(addressOf(v.r)))
	if err != nil {
		return c.notLetIn(v, err)
	}
	v.open(session)
	// A redirect that began at the provider would not bring a new cookie along everywhere: the page itself goes on.
	return v.page("onward", Page{Title: v.say("login.title"), Bare: true, Data: local(next)})
}

// notLetIn says why a login by the provider did not work.
func (c *console) notLetIn(v *visit, err error) error {
	var wrong *oidc.Error
	var refused *people.RefusedError
	key := ""
	switch {
	case errors.As(err, &wrong):
		key = "sso." + string(wrong.Code)
	case errors.As(err, &refused):
		key = "sso." + string(people.CodeNotInvited)
	default:
		return err
	}
	c.Log.Warn("a login by the provider did not work", "address", addressOf(v.r), "error", err)
	f := newForm(v.tongue, nil)
	f.Default("next", "/")
	return v.loginPage(http.StatusForbidden, f, v.say(key))
}

// doorView is the page of the first administrator's link.
type doorView struct {
	Form   *Form
	Gone   bool // the link is used, or was never given
	Action string
}

// refuse puts a refusal of people beside the field that it is about; false when err is no refusal.
func (v *visit) refuse(f *Form, err error) bool {
	var refused *people.RefusedError
	if !errors.As(err, &refused) || refused.Field == "" {
		return false
	}
	what, do := v.notice(access.ErrorOf(err))
	f.Fail(refused.Field, strings.TrimSpace(what+" "+do))
	return true
}

// showFirst asks the first administrator for a login and a password.
func (c *console) showFirst(v *visit) error {
	view := doorView{Form: newForm(v.tongue, nil), Action: v.r.URL.Path}
	if err := c.People.CheckFirst(v.r.PathValue("secret")); err != nil {
		return v.door(http.StatusNotFound, doorView{Gone: true})
	}
	return v.door(http.StatusOK, view)
}

func (v *visit) door(status int, view doorView) error {
	return v.page("first", Page{Title: v.say("first.title"), Status: status, Bare: true, Data: view})
}

// newPassword reads a password that was typed twice.
func (v *visit) newPassword(f *Form) string {
	password := f.Value("password")
	if password != f.Value("again") {
		f.Fail("again", v.say("first.differ"))
	}
	return password
}

// first makes the first administrator by the secret that the daemon has printed.
func (c *console) first(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	view := doorView{Form: f, Action: v.r.URL.Path}
	login, name, password := f.Text("login", 64, true), f.Text("name", 200, true), v.newPassword(f)
	if f.Bad() {
		return v.door(http.StatusUnprocessableEntity, view)
	}
	switch _, err = c.People.UseFirst(v.r.Context(), v.r.PathValue("secret"), login, name, password); {
	case v.refuse(f, err):
		return v.door(http.StatusUnprocessableEntity, view)
	case err != nil:
		return v.wrongLink(err)
	}
	session, err := c.People.Login(v.r.Context(), login, password, addressOf(v.r))
	if err != nil {
		return v.seeOther("/login")
	}
	v.open(session)
	v.flash("first.done")
	return v.seeOther("/")
}

// wrongLink says that a link is not, or no longer, valid.
func (v *visit) wrongLink(err error) error {
	if refused := new(people.RefusedError); errors.As(err, &refused) {
		return v.door(http.StatusNotFound, doorView{Gone: true})
	}
	return err
}

// preferences keeps language and appearance, in the browser and with the person.
func (c *console) preferences(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	const year = 365 * 24 * 3600
	if l := f.Value("language"); l == words.French || l == words.English {
		v.setCookie(cookieLanguage, l, year)
		v.lang = l
	}
	switch t := f.Value("theme"); t {
	case "light", "dark":
		v.setCookie(cookieTheme, t, year)
		v.theme = t
	case "auto":
		v.setCookie(cookieTheme, "", -1)
		v.theme = ""
	}
	if v.signedIn {
		if _, err := c.People.Change(v.r.Context(), v.Caller.ID, func(p *people.Person) { p.Language, p.Theme = v.lang, v.theme }); err != nil {
			return err
		}
	}
	return v.seeOther(local(f.Value("back")))
}
