package web

import (
	"time"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/imaging/job"
)

// The night of an order, and how long one that is for now holds at least.
const (
	nightFrom, nightUntil = "22:00", "06:00"
	leastNow              = 2 * time.Hour
	leastShutdown         = 10 * time.Minute // those whose agent is there, and not whoever is switched on later
)

// between is when an order may begin on its computers.
type between struct{ Begin, End time.Time }

// whenView is what each choice of a time means at this moment.
type whenView struct {
	Form                 *Form
	Now, Tonight, Window string // Window is "" where its fields say nothing
}

// nowOn is the between of an order that is for now: until the end of the day, for who is off tonight and switched on in
// tomorrow's first lesson was not meant.
func nowOn(now time.Time, kind job.Kind) between {
	if kind == job.KindShutdown {
		return between{now, now.Add(leastShutdown)}
	}
	end := time.Date(now.Year(), now.Month(), now.Day(), 23, 59, 0, 0, now.Location())
	if least := now.Add(leastNow); end.Before(least) {
		end = least
	}
	return between{now, end}
}

// windowOf is the window that begins on a day, between two times of day; false where one of them is none.
func windowOf(day time.Time, from, until string) (between, bool) {
	a, bad := time.Parse("15:04", from)
	b, worse := time.Parse("15:04", until)
	if bad != nil || worse != nil {
		return between{}, false
	}
	at := func(clock time.Time, days int) time.Time {
		return time.Date(day.Year(), day.Month(), day.Day()+days, clock.Hour(), clock.Minute(), 0, 0, day.Location())
	}
	s := between{at(a, 0), at(b, 0)}
	if !b.After(a) {
		s.End = at(b, 1)
	}
	if !s.End.After(s.Begin) { // the clocks were put forward over it
		s.End = s.Begin.Add(time.Hour)
	}
	return s, true
}

// nextWindow is the window between two times of day that now is in, from now on, else the one that comes next.
func nextWindow(now time.Time, from, until string) (between, bool) {
	for days := -1; ; days++ {
		s, ok := windowOf(now.AddDate(0, 0, days), from, until)
		if !ok || s.End.After(now) {
			return s.from(now), ok
		}
	}
}

// from is what is left of a between that has begun.
func (s between) from(now time.Time) between {
	if s.Begin.Before(now) {
		s.Begin = now
	}
	return s
}

// shownFrom writes a between: "now → tomorrow at 06:00".
func (t tongue) shownFrom(now time.Time, s between) string {
	begin := t.say("order.at.now")
	if s.Begin.After(now) {
		begin = t.when(s.Begin)
	}
	return begin + " → " + t.when(s.End)
}

// chosenWindow reads the window that the fields of a form say. A date asks for the one that begins on that day.
func (v *visit) chosenWindow(f *Form, now time.Time) between {
	from, until, day := f.Value("from"), f.Value("until"), f.Value("date")
	for field, at := range map[string]string{"from": from, "until": until} {
		if _, err := time.Parse("15:04", at); err != nil {
			f.Fail(field, v.say("order.clock"))
		}
	}
	if day == "" {
		s, _ := nextWindow(now, from, until)
		return s
	}
	on, err := time.ParseInLocation(time.DateOnly, day, now.Location())
	if err != nil {
		f.Fail("date", v.say("form.date"))
		return between{}
	}
	s, ok := windowOf(on, from, until)
	switch {
	case ok && !s.End.After(now):
		f.Fail("date", v.say("order.date.past"))
	case ok && s.Begin.After(now.AddDate(1, 0, 0)):
		f.Fail("date", v.say("order.date.far"))
	}
	return s.from(now)
}

// defaultTimes fills in what a form says of the time before anybody has chosen.
func defaultTimes(f *Form) {
	for field, value := range map[string]string{"when": "now", "from": nightFrom, "until": "05:00", "retries": "1"} {
		f.Default(field, value)
	}
}

// timed puts into an order when it may begin, and how often who fails tries again: what is not for now has nobody beside it.
func (v *visit) timed(f *Form, o *access.Order) {
	now := v.now().In(v.zone)
	s := nowOn(now, o.Kind)
	when := f.Choice("when", "now", "tonight", "window")
	switch when {
	case "tonight":
		s, _ = nextWindow(now, nightFrom, nightUntil)
	case "window":
		s = v.chosenWindow(f, now)
	}
	if when != "now" && o.Kind != job.KindShutdown {
		o.Retries = f.Number("retries", 0, 5)
	}
	if f.Bad() {
		return
	}
	if s.Begin.After(now) {
		o.At = s.Begin
	}
	o.Within = int(s.End.Sub(s.Begin) / time.Second)
}

// whenOf says what each choice of a time means now. The fields of the form are judged when they are sent.
func (v *visit) whenOf(f *Form, kind job.Kind) whenView {
	now := v.now().In(v.zone)
	tonight, _ := nextWindow(now, nightFrom, nightUntil)
	view := whenView{Form: f, Now: v.say("order.latest", v.when(nowOn(now, kind).End)), Tonight: v.shownFrom(now, tonight)}
	try := newForm(v.tongue, f.values)
	if s := v.chosenWindow(try, now); !try.Bad() {
		view.Window = v.shownFrom(now, s)
	}
	return view
}
