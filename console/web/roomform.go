package web

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
)

// The longest texts of a room's form, characters. The fleet has the last word.
const (
	maxRoomNote   = 4000
	maxAnswerFile = 64 << 10
	maxPhrase     = 128
)

// roomForm is a form that says how a room is kept.
func (v *visit) roomForm(r access.Room) *Form {
	values := url.Values{"title": {r.Title}, "master": {r.Master}, "policy": {string(r.Policy)}, "night": {r.Night},
		"from": {r.Hours[0]}, "to": {r.Hours[1]}, "teacher": {r.Teacher}, "spares": r.Spares, "note": {r.Note},
		"level": {string(r.Level)}, "lang": {r.Lang}, "keyboard": {r.Lang}, "hostname": {r.Template.Hostname},
		"answer": {r.Template.Answer}, "path": {r.Template.Path}}
	if r.Lang == "en" {
		values.Set("keyboard", "us")
	}
	for field, on := range map[string]bool{"menu": r.Menu, "keys": r.Template.Keys} {
		if on {
			values.Set(field, "1")
		}
	}
	return newForm(v.tongue, values)
}

// roomChoices fills in what a room's form offers.
func (v *visit) roomChoices(view *roomView) (err error) {
	if view.Masters, err = v.masterOptions(); err != nil {
		return err
	}
	for _, p := range []job.Policy{job.PolicyDemand, job.PolicyStart, job.PolicyNight, job.PolicyNever} {
		view.Policies = append(view.Policies, option{string(p), v.say("policy." + string(p))})
	}
	view.Names = []option{{"", v.say("app.none")}}
	for _, n := range view.Computers {
		view.Names = append(view.Names, option{n, n})
	}
	for _, l := range []job.Level{job.LevelFull, job.LevelQuick} {
		view.Levels = append(view.Levels, option{string(l), v.say("order.level." + string(l))})
	}
	for _, l := range []string{"fr", "en"} {
		view.Langs = append(view.Langs, option{l, v.say("language." + l)})
	}
	for _, k := range []string{"fr", "us"} {
		view.Keyboards = append(view.Keyboards, option{k, v.say("room.keyboard." + k)})
	}
	view.Phrase = v.c.MenuHash != nil
	return nil
}

// setRoom keeps the settings of a room.
func (c *console) setRoom(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	name := v.r.PathValue("room")
	old, err := v.Desk.Room(name)
	if err != nil {
		return err
	}
	change := v.roomChange(f)
	v.menuChange(f, old, &change)
	if !f.Bad() {
		if _, err = v.Desk.SetRoom(v.r.Context(), name, change); err == nil {
			v.flash("room.saved", name)
			return v.seeOther(roomPath(name))
		}
		if err = v.refusedRoom(f, err); err != nil {
			return err
		}
	}
	return v.roomPage(f, http.StatusUnprocessableEntity)
}

// roomChange reads what a form says of a room and of when it is reset.
func (v *visit) roomChange(f *Form) access.RoomChange {
	title, note, master := f.Text("title", 120, false), f.Text("note", maxRoomNote, false), f.Value("master")
	policy := job.Policy(f.Choice("policy", string(job.PolicyDemand), string(job.PolicyStart), string(job.PolicyNight), string(job.PolicyNever)))
	night, teacher, spares := f.Value("night"), f.Value("teacher"), f.Values("spares")
	hours := [2]string{f.Value("from"), f.Value("to")}
	if _, err := time.Parse("15:04", night); err != nil {
		f.Fail("night", v.say("order.clock"))
	}
	if (hours[0] == "") != (hours[1] == "") {
		f.Fail("to", v.say("room.hours.both"))
	}
	if hours[0] >= hours[1] && hours[1] != "" {
		f.Fail("to", v.say("room.hours.order"))
	}
	if policy == job.PolicyStart && !f.Has("menu", "1") {
		f.Fail("menu", v.say("room.menu.needed"))
	}
	return access.RoomChange{Title: &title, Note: &note, Master: &master, Policy: &policy, Night: &night, Hours: &hours, Teacher: &teacher, Spares: &spares}
}

// menuChange reads what a form says of a room's start menu, and of what is each computer's own.
func (v *visit) menuChange(f *Form, old access.Room, change *access.RoomChange) {
	menu, keys, lang := f.Has("menu", "1"), f.Has("keys", "1"), f.Choice("lang", "fr", "en")
	level := job.Level(f.Choice("level", string(job.LevelFull), string(job.LevelQuick)))
	hostname, path := f.Text("hostname", 128, false), f.Text("path", 512, false)
	change.Menu, change.Keys, change.Lang, change.Level, change.Hostname, change.Path = &menu, &keys, &lang, &level, &hostname, &path
	answer := f.Text("answer", maxAnswerFile, false)
	if lines := strings.NewReplacer("\r\n", "\n").Replace; lines(strings.TrimSpace(old.Template.Answer)) != lines(answer) {
		change.Answer = &answer // browsers send the lines of a text in their own way: that alone changes nothing
	}
	phrase, remove := f.Value("phrase"), f.Has("nophrase", "1")
	f.values.Del("phrase") // it is not shown again
	switch {
	case phrase != "" && remove:
		f.Fail("phrase", v.say("room.phrase.both"))
	case remove:
		change.Passphrase = new([]string)
	case phrase != "" && len(phrase) > maxPhrase:
		f.Fail("phrase", v.say("form.long", maxPhrase))
	case phrase != "" && v.c.MenuHash != nil:
		lines, err := v.c.MenuHash(phrase, f.Choice("keyboard", "fr", "us"))
		if err != nil {
			f.Fail("phrase", sentence(v.in("", err.Error())))
			return
		}
		change.Passphrase = &lines
	}
}

// refusedRoom puts a refusal at the field of a room's form that it is about: what is wrong there, and nothing of commands.
func (v *visit) refusedRoom(f *Form, err error) error {
	var refused *fleet.RefusedError
	if !errors.As(err, &refused) || refused.Code != fleet.CodeBadRoom {
		return v.refused(f, "master", err)
	}
	field := "master"
	for _, about := range []struct{ text, field string }{{"answer file's path", "path"}, {"answer file", "answer"}, {"computers are named", "hostname"},
		{"passphrase", "phrase"}, {"its title", "note"}, {"start menu", "menu"}, {"lessons", "to"}} {
		if strings.Contains(refused.Detail, about.text) {
			field = about.field
			break
		}
	}
	f.Fail(field, sentence(v.in("", refused.Detail)))
	return nil
}
