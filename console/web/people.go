package web

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/fleet/people"
)

// showPeople lists who has an account.
func (c *console) showPeople(v *visit) error {
	all, err := v.Desk.People()
	if err != nil {
		return err
	}
	return v.page("people", Page{Title: v.say("nav.people"), Active: "nav.people", Data: map[string]any{"People": all, "Me": v.Caller.ID}})
}

// personView is the page of one person, or of a new one.
type personView struct {
	New          bool
	Person       access.Person
	Form         *Form
	Roles        []people.Role
	Sites, Rooms []option
	Logins       []access.Login
	Tokens       []access.Token
	Me           bool
	Remove       *ask
	Link         string // of an invitation, told once
}

func (c *console) showNewPerson(v *visit) error {
	f := newForm(v.tongue, nil)
	f.Default("role", string(people.Technician))
	return c.personPage(v, access.Person{}, f, http.StatusOK, "")
}

func (c *console) showPerson(v *visit) error {
	p, err := v.Desk.Person(v.r.PathValue("id"))
	if err != nil {
		return err
	}
	return c.personPage(v, p, personForm(v.tongue, p), http.StatusOK, "")
}

// personForm is a form that says what is known of a person.
func personForm(t tongue, p access.Person) *Form {
	return newForm(t, url.Values{"login": {p.Login}, "name": {p.Name}, "mail": {p.Mail}, "role": {p.Role}, "sites": p.Sites, "rooms": p.Rooms})
}

func (c *console) personPage(v *visit, p access.Person, f *Form, status int, link string) error {
	view := personView{New: p.ID == "", Person: p, Form: f, Roles: people.Roles(), Link: link, Me: p.ID == v.Caller.ID}
	sites, err := v.Desk.Sites()
	if err != nil {
		return err
	}
	for _, s := range sites {
		view.Sites = append(view.Sites, option{siteValue(s.Name), v.siteTitle(s)})
	}
	for _, r := range v.Desk.RoomList() {
		view.Rooms = append(view.Rooms, option{r.Name, r.Name})
	}
	title := v.say("people.new")
	if !view.New {
		title = p.Name
		if view.Logins, err = v.Desk.Logins(p.ID, v.cookie(cookieSession)); err != nil {
			return err
		}
		if view.Tokens, err = v.Desk.Tokens(p.ID); err != nil {
			return err
		}
		view.Remove = &ask{ID: "remove", Label: v.say("people.remove"), Icon: "trash", Class: "danger quiet", Title: v.say("people.remove.title", p.Name),
			Says: v.count("people.remove.says", len(view.Tokens), p.Name, p.Login), Action: "/people/" + url.PathEscape(p.ID) + "/remove",
			Do: v.say("people.remove")}
	}
	return v.page("person", Page{Title: title, Active: "nav.people", Status: status, Crumbs: []Crumb{{v.say("nav.people"), "/people"}}, Data: view})
}

// The site without a name cannot be the value of a box: it would look like none.
const unnamedSite = "-"

func siteValue(name string) string {
	if name == "" {
		return unnamedSite
	}
	return name
}

// readPerson reads what was typed of a person.
func readPerson(f *Form, isNew bool) access.PersonChange {
	name, mail, role := f.Text("name", 200, true), f.Text("mail", 250, false), f.Choice("role", roleNames()...)
	out := access.PersonChange{Name: &name, Mail: &mail, Role: &role, Sites: new([]string), Rooms: new([]string)}
	if isNew {
		login := f.Text("login", 64, true)
		out.Login = &login
	}
	switch people.Role(role) {
	case people.Technician, people.Reader:
		for _, s := range f.Values("sites") {
			*out.Sites = append(*out.Sites, siteName(s))
		}
	case people.Teacher:
		if *out.Rooms = slices.Clone(f.Values("rooms")); len(*out.Rooms) == 0 {
			f.Fail("rooms", f.t.say("people.rooms.none"))
		}
	}
	return out
}

func roleNames() []string {
	var out []string
	for _, r := range people.Roles() {
		out = append(out, string(r))
	}
	return out
}

// addPerson invites somebody: the link is told once, on the page that follows.
func (c *console) addPerson(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	change := readPerson(f, true)
	var made access.Invited
	if !f.Bad() {
		if made, err = v.Desk.AddPerson(v.r.Context(), change); err != nil {
			if err = v.refused(f, "login", err); err != nil {
				return err
			}
		}
	}
	if f.Bad() {
		return c.personPage(v, access.Person{}, f, http.StatusUnprocessableEntity, "")
	}
	return c.personPage(v, made.Person, personForm(v.tongue, made.Person), http.StatusOK, v.link(made.Path))
}

// link is the whole address of a page, as it can be sent to somebody.
func (v *visit) link(path string) string {
	if path == "" {
		return ""
	}
	return (&url.URL{Scheme: "https", Host: v.r.Host}).String() + path
}

// setPerson changes what is said of a person.
func (c *console) setPerson(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	p, err := v.Desk.Person(v.r.PathValue("id"))
	if err != nil {
		return err
	}
	change := readPerson(f, false)
	if !f.Bad() {
		if _, err = v.Desk.SetPerson(v.r.Context(), p.ID, change); err != nil {
			if err = v.refused(f, "role", err); err != nil {
				return err
			}
		}
	}
	if f.Bad() {
		f.Default("login", p.Login)
		return c.personPage(v, p, f, http.StatusUnprocessableEntity, "")
	}
	v.flash("people.changed", strings.TrimSpace(*change.Name))
	return v.seeOther("/people/" + url.PathEscape(p.ID))
}

// invitePerson gives a person a new link, by which a forgotten password is replaced, too.
func (c *console) invitePerson(v *visit) error {
	made, err := v.Desk.Invite(v.r.Context(), v.r.PathValue("id"))
	if err != nil {
		return v.done(err, "/people/"+url.PathEscape(v.r.PathValue("id")), "")
	}
	return c.personPage(v, made.Person, personForm(v.tongue, made.Person), http.StatusOK, v.link(made.Path))
}

// changePerson disables and enables an account, removes it, and ends its sessions and tokens.
func (c *console) changePerson(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	ctx, id, to := v.r.Context(), v.r.PathValue("id"), "/people/"+url.PathEscape(v.r.PathValue("id"))
	switch verb := v.r.PathValue("verb"); verb {
	case "disable", "enable":
		off := verb == "disable"
		p, err := v.Desk.SetPerson(ctx, id, access.PersonChange{Disabled: &off})
		return v.done(err, to, "people."+verb+"d.done", p.Name)
	case "remove":
		p, err := v.Desk.RemovePerson(ctx, id)
		if err == nil {
			to = "/people"
		}
		return v.done(err, to, "people.removed", p.Name)
	case "end":
		return v.done(v.Desk.EndLogin(ctx, id, f.Value("login")), to, "account.ended")
	case "forget":
		_, err := v.Desk.ForgetToken(ctx, f.Value("token"))
		return v.done(err, to, "account.token.forgotten")
	}
	return v.fail(http.StatusNotFound, nil)
}

// showInvitation asks who was invited for a password.
func (c *console) showInvitation(v *visit) error {
	p, err := c.People.CheckInvitation(v.r.PathValue("secret"))
	if err != nil {
		return v.invitationGone(err)
	}
	return v.invitationPage(p, newForm(v.tongue, nil), http.StatusOK)
}

func (v *visit) invitationPage(p people.Person, f *Form, status int) error {
	return v.page("invite", Page{Title: v.say("invite.title"), Status: status, Bare: true,
		Data: map[string]any{"Form": f, "Name": p.Name, "Login": p.Login, "Secret": v.r.PathValue("secret")}})
}

// invitationGone says why a link does not work.
func (v *visit) invitationGone(err error) error {
	e := access.ErrorOf(err)
	if e.Status >= 500 {
		return err
	}
	what, do := v.notice(e)
	return v.tell(e.Status, what, do)
}

// acceptInvitation sets the password of who was invited and lets them in.
func (c *console) acceptInvitation(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	secret := v.r.PathValue("secret")
	p, err := c.People.CheckInvitation(secret)
	if err != nil {
		return v.invitationGone(err)
	}
	if f.Value("password") != f.Value("again") {
		f.Fail("again", v.say("first.differ"))
	}
	var session people.Session
	if !f.Bad() {
		if session, err = c.People.UseInvitation(v.r.Context(), secret, f.Value("password"), addressOf(v.r)); err != nil {
			if err = v.refused(f, "password", err); err != nil {
				return err
			}
		}
	}
	if f.Bad() {
		return v.invitationPage(p, f, http.StatusUnprocessableEntity)
	}
	v.open(session)
	v.flash("first.done")
	return v.seeOther("/")
}
