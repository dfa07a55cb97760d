package web

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/notices"
	"github.com/ardoise/ardoise/console/post"
)

// postView is the page of the morning's report.
type postView struct {
	Form       *Form
	State      access.PostState
	Why        []lineView // why the last report was not taken: a server, and a sentence
	Tried      []triedView
	Sites      []siteLine // with people who get a report of their own
	Languages  []option
	Securities []option
	Password   bool // one is kept
	Secret     bool
}

// triedView is how one way took a trial.
type triedView struct {
	Good          bool
	Way, What, Do string
	To            []string
}

// showPost is the form of the morning's report.
func (c *console) showPost(v *visit) error {
	state, err := v.Desk.Post()
	if err != nil {
		return err
	}
	return v.postPage(v.postForm(state), state, nil, http.StatusOK)
}

// postForm fills in what is set. Secrets are not.
func (v *visit) postForm(s access.PostState) *Form {
	values := url.Values{"at": {s.At}, "language": {string(s.Language)}, "tls": {post.StartTLS}, "port": {"587"}}
	if s.At == "" {
		values.Set("at", "07:00")
	}
	if m := s.Mail; m != nil {
		host, port, err := net.SplitHostPort(m.Server)
		if err != nil {
			host = m.Server
		}
		for k, x := range map[string]string{"mail": "1", "host": host, "port": port, "tls": m.TLS, "user": m.User, "from": m.From, "to": strings.Join(m.To, "\n")} {
			values.Set(k, x)
		}
	}
	if h := s.Hook; h != nil {
		values.Set("hook", "1")
		values.Set("url", h.URL)
	}
	return newForm(v.tongue, values)
}

func (v *visit) postPage(f *Form, s access.PostState, tried []triedView, status int) error {
	view := postView{Form: f, State: s, Tried: tried, Password: s.Mail != nil && s.Mail.Password != "", Secret: s.Hook != nil && s.Hook.Secret != "",
		Languages: []option{{string(notices.French), v.say("post.french")}, {string(notices.English), v.say("post.english")}}}
	for _, x := range []string{post.StartTLS, post.Implicit, post.Plain} {
		view.Securities = append(view.Securities, option{x, v.say("post.tls." + x)})
	}
	for i := range s.Why {
		what, do := v.notice(&s.Why[i])
		view.Why = append(view.Why, lineView{Computer: s.Why[i].What, Says: what + " " + do})
	}
	sites, err := v.Desk.Sites()
	if err != nil {
		return err
	}
	for _, x := range sites {
		view.Sites = append(view.Sites, siteLine{Site: x, Title: v.siteTitle(x), Value: siteValue(x.Name)})
	}
	return v.page("post", Page{Title: v.say("post.title"), Active: "nav.settings", Status: status, Data: view,
		Crumbs: []Crumb{{v.say("nav.settings"), "/settings"}}})
}

// maxSecret is the longest password or secret, in characters.
const maxSecret = 500

// readPost reads the form. A secret that is left empty stays as it is kept.
func readPost(f *Form, old access.PostState) post.Settings {
	s := post.Settings{At: f.Text("at", 5, true), Language: notices.Language(f.Choice("language", string(notices.French), string(notices.English)))}
	if f.Has("mail", "1") {
		m := &post.Mail{TLS: f.Choice("tls", post.StartTLS, post.Implicit, post.Plain), User: f.Text("user", 200, false), From: f.Text("from", 320, true),
			To: strings.FieldsFunc(f.Text("to", 8000, false), func(r rune) bool { return strings.ContainsRune(" ,;\r\n\t", r) })}
		m.Server = net.JoinHostPort(f.Text("host", 253, true), f.Text("port", 5, true))
		f.Number("port", 1, 65535)
		m.Password = f.secret("password", old.Mail != nil && old.Mail.Password != "" && m.User != "")
		switch {
		case m.User == "" && f.Value("password") != "":
			f.Fail("user", f.t.say("post.bad.user"))
		case m.TLS == post.Plain && m.User != "":
			f.Fail("tls", f.t.say("post.bad.password"))
		}
		s.Mail = m
	}
	if f.Has("hook", "1") {
		s.Hook = &post.Hook{URL: f.Text("url", 2000, true)}
		s.Hook.Secret = f.secret("secret", old.Hook != nil && old.Hook.Secret != "")
		if f.Has("unsigned", "1") {
			s.Hook.Secret = ""
		}
	}
	return s
}

// secret reads a password as it was typed; left empty, it stands for the one that is kept, if there is one.
func (f *Form) secret(field string, kept bool) string {
	s := f.Value(field)
	switch {
	case len([]rune(s)) > maxSecret:
		f.Fail(field, f.t.say("form.long", maxSecret))
	case s == "" && kept:
		return post.Hidden
	}
	return s
}

// setPost keeps where the morning's report goes, and sends one if that is wanted.
func (c *console) setPost(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	state, err := v.Desk.Post()
	if err != nil {
		return err
	}
	if s := readPost(f, state); !f.Bad() {
		kept, err := v.Desk.SetPost(v.r.Context(), s)
		if err == nil {
			state = kept
		} else if err = v.refusedPost(f, err); err != nil {
			return err
		}
	}
	switch {
	case f.Bad():
		return v.postPage(f, state, nil, http.StatusUnprocessableEntity)
	case f.Value("try") != "":
		return v.tryPost(f)
	}
	v.flash("post.kept")
	return v.seeOther("/settings/post")
}

// refusedPost says at its field what is wrong with the settings; other errors come back.
func (v *visit) refusedPost(f *Form, err error) error {
	e := access.ErrorOf(err)
	if e.Code != "bad-post" {
		return err
	}
	field := e.Field
	if field == "server" {
		field = "host"
	}
	says := v.say("post.bad." + e.Field)
	if e.Field == "secret" || e.Field == "password" {
		says = v.say("post.again") // the form has seen to the rest
	}
	f.Fail(field, says)
	return nil
}

// tryPost sends a report now, and shows how each way took it.
func (v *visit) tryPost(f *Form) error {
	state, err := v.Desk.TryPost(v.r.Context())
	var tried []triedView
	for _, t := range state.Tried {
		x := triedView{Good: t.Trouble == nil, Way: v.say("post.way." + t.Way), To: t.To}
		if t.Site != "" {
			x.Way = v.say("post.way.site", t.Site)
		}
		if t.Trouble != nil {
			x.What, x.Do = v.notice(t.Trouble)
		}
		tried = append(tried, x)
	}
	if len(tried) > 0 {
		return v.postPage(v.postForm(state), state, tried, http.StatusOK)
	}
	var told *access.Error
	if !errors.As(err, &told) || v.refusedPost(f, err) != nil {
		return err
	}
	if state, err = v.Desk.Post(); err != nil {
		return err
	}
	return v.postPage(f, state, nil, http.StatusUnprocessableEntity)
}
