package web

import (
	"net/http"
	"slices"
	"time"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/fleet/people"
)

// accountView is the page of somebody's own account.
type accountView struct {
	Me     access.Person
	Form   *Form
	Logins []access.Login
	Tokens []access.Token
	Scopes []option
	Lasts  []option
	Secret string // of a token, told once
}

func (c *console) showAccount(v *visit) error {
	f := newForm(v.tongue, nil)
	f.Default("days", "90")
	return c.accountPage(v, f, http.StatusOK, "")
}

func (c *console) accountPage(v *visit, f *Form, status int, secret string) (err error) {
	view := accountView{Form: f, Secret: secret}
	if view.Me, err = v.Desk.Myself(); err != nil {
		return err
	}
	if view.Logins, err = v.Desk.Logins("", v.cookie(cookieSession)); err != nil {
		return err
	}
	if view.Tokens, err = v.Desk.Tokens(""); err != nil {
		return err
	}
	for _, s := range people.Scopes() {
		view.Scopes = append(view.Scopes, option{s, v.say("scope." + s)})
	}
	for _, days := range tokenDays() {
		text := v.say("account.token.never")
		if days != "0" {
			text = v.say("account.token.days", days)
		}
		view.Lasts = append(view.Lasts, option{days, text})
	}
	return v.page("account", Page{Title: v.say("account.title"), Active: "account", Status: status, Data: view})
}

// tokenDays is how long a token may be good; 0: for ever.
func tokenDays() []string { return []string{"30", "90", "365", "0"} }

// changePassword gives the person a new password.
func (c *console) changePassword(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	if f.Value("new") != f.Value("again") {
		f.Fail("again", v.say("first.differ"))
	}
	if !f.Bad() {
		if err := v.Desk.ChangePassword(v.r.Context(), f.Value("password"), f.Value("new"), v.cookie(cookieSession)); err != nil {
			e, field := access.ErrorOf(err), "new"
			switch {
			case e.Status >= 500:
				return err
			case e.Code == string(people.CodeWrong), e.Code == string(people.CodeTooMany):
				field = "password"
			}
			what, do := v.notice(e)
			f.Fail(field, what+" "+do)
		}
	}
	if f.Bad() {
		f.Default("days", "90")
		return c.accountPage(v, f, http.StatusUnprocessableEntity, "")
	}
	v.flash("account.password.done")
	return v.seeOther("/account")
}

// makeToken makes an API token: its secret is on the page that follows, and nowhere again.
func (c *console) makeToken(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	r := access.TokenRequest{Name: f.Text("token", 100, true), Scopes: slices.Clone(f.Values("scopes"))}
	days := f.Choice("days", tokenDays()...)
	if len(r.Scopes) == 0 {
		f.Fail("scopes", v.say("account.token.noscope"))
	}
	if n, err := time.ParseDuration(days + "h"); err == nil && n > 0 {
		r.Expires = c.Now().Add(24 * n)
	}
	var made access.Token
	if !f.Bad() {
		if made, err = v.Desk.MakeToken(v.r.Context(), r); err != nil {
			e := access.ErrorOf(err)
			if e.Field == "name" {
				e.Field = "token"
			}
			if err = v.refused(f, "token", e); err != nil {
				return err
			}
		}
	}
	if f.Bad() {
		return c.accountPage(v, f, http.StatusUnprocessableEntity, "")
	}
	clean := newForm(v.tongue, nil)
	clean.Default("days", "90")
	return c.accountPage(v, clean, http.StatusOK, made.Secret)
}

// forgetToken makes one of the person's tokens worthless.
func (c *console) forgetToken(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	_, err = v.Desk.ForgetToken(v.r.Context(), f.Value("token"))
	return v.done(err, "/account", "account.token.forgotten")
}

// endLogin ends one of the person's sessions.
func (c *console) endLogin(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	return v.done(v.Desk.EndLogin(v.r.Context(), "", f.Value("login")), "/account", "account.ended")
}
