package web

import (
	"strconv"
	"strings"
	"time"

	"github.com/ardoise/ardoise/console/notices"
	"github.com/ardoise/ardoise/console/web/words"
)

// tongue writes times, sizes and rates as one language does, in the time zone of the server.
type tongue struct {
	lang string
	now  func() time.Time
	zone *time.Location
}

func (t tongue) say(key string, args ...any) string { return words.Say(t.lang, key, args...) }

// in says, in the language of the person, a detail that came in English: of a kind of event, of a code, or of anything (""). What
// is foreign in it is marked; templates print it with said.
func (t tongue) in(of, english string) string {
	return notices.In(notices.Language(t.lang), of, english)
}

// by is who ordered something: a login, as it is, or one of the words that the fleet has for who is no person.
func (t tongue) by(who string) string {
	if !strings.Contains(who, " ") {
		return who
	}
	return notices.Plain(t.in("", who))
}

func (t tongue) count(key string, n int, args ...any) string {
	return words.Count(t.lang, key, n, args...)
}

// size writes a number of bytes with three digits, in powers of ten as disks are sold.
func (t tongue) size(n int64) string {
	units := strings.Fields(t.say("size.units"))
	f, i := float64(n), 0
	for f >= 999.5 && i < len(units)-1 {
		f, i = f/1000, i+1
	}
	places := 0
	if i > 0 && f < 9.995 {
		places = 2
	} else if i > 0 && f < 99.95 {
		places = 1
	}
	return words.Decimal(t.lang, f, places) + "\u00a0" + units[i]
}

// rate writes bytes a second.
func (t tongue) rate(n int64) string { return t.say("size.rate", t.size(n)) }

// span writes how long something takes.
func (t tongue) span(d time.Duration) string {
	d = d.Round(time.Second)
	switch {
	case d < time.Minute:
		return t.count("time.in.seconds", int(d/time.Second))
	case d < time.Hour:
		return t.count("time.in.minutes", int((d+30*time.Second)/time.Minute))
	}
	h, m := int(d/time.Hour), int(d%time.Hour/time.Minute)
	return t.say("time.in.hours", h, twoDigits(m))
}

// seconds writes how long something takes, for a number of them.
func (t tongue) seconds(s float64) string { return t.span(time.Duration(s * float64(time.Second))) }

func twoDigits(n int) string {
	if n < 10 {
		return "0" + strconv.Itoa(n)
	}
	return strconv.Itoa(n)
}

// clock writes the time of day.
func (t tongue) clock(at time.Time) string { return at.In(t.zone).Format("15:04") }

// day writes a date.
func (t tongue) day(at time.Time) string {
	at = at.In(t.zone)
	month := strings.Fields(t.say("month.short"))[at.Month()-1]
	day := strconv.Itoa(at.Day())
	if t.lang == words.French && at.Day() == 1 {
		day += "er"
	}
	return day + " " + month + " " + strconv.Itoa(at.Year())
}

// when writes a moment so that a person need not count: today and tomorrow by name, others by date.
func (t tongue) when(at time.Time) string {
	if at.IsZero() {
		return t.say("time.never")
	}
	now, local := t.now().In(t.zone), at.In(t.zone)
	switch local.Format(time.DateOnly) {
	case now.Format(time.DateOnly):
		return t.say("time.today", t.clock(at))
	case now.AddDate(0, 0, 1).Format(time.DateOnly):
		return t.say("time.tomorrow", t.clock(at))
	}
	return t.day(at) + ", " + t.clock(at)
}

// ago writes how long ago a moment was.
func (t tongue) ago(at time.Time) string {
	if at.IsZero() {
		return t.say("time.never")
	}
	switch d := t.now().Sub(at); {
	case d < time.Minute:
		return t.say("time.now")
	case d < time.Hour:
		return t.count("time.minutes", int(d/time.Minute))
	case d < 24*time.Hour:
		return t.count("time.hours", int(d/time.Hour))
	case d < 60*24*time.Hour:
		return t.count("time.days", int(d/(24*time.Hour)))
	}
	return t.say("time.on", t.day(at))
}

// stamp writes a moment to the second, for logs.
func (t tongue) stamp(at time.Time) string { return at.In(t.zone).Format("2006-01-02 15:04:05") }

// iso is the machine's form of a moment, for <time datetime>.
func iso(at time.Time) string { return at.UTC().Format(time.RFC3339) }

// percent of a whole, 0 to 100; 100 only when all is there.
func percent(done, total int64) int {
	if total <= 0 || done <= 0 {
		return 0
	}
	if done >= total {
		return 100
	}
	return int(min(float64(done)/float64(total)*100, 99))
}

// languageOf reads the language from an Accept-Language header: the first of ours by its place, quality aside, for
// browsers send them in order.
func languageOf(header string) string {
	for part := range strings.SplitSeq(header, ",") {
		tag, _, _ := strings.Cut(strings.TrimSpace(strings.ToLower(part)), ";")
		switch base, _, _ := strings.Cut(tag, "-"); base {
		case words.French, words.English:
			return base
		}
	}
	return words.English
}
