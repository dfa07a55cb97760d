package words

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"
)

// The languages.
const (
	French  = "fr"
	English = "en"
)

// Pair is a text in both languages.
type Pair struct{ French, English string }

// All returns every text by its key.
func All() map[string]Pair { return maps.Clone(all()) }

var all = sync.OnceValue(func() map[string]Pair {
	out := map[string]Pair{}
	for _, part := range []map[string]Pair{shell(), door(), states(), places(), orders(), plans(), ordering(), scheduling(), jobs(), admin(), events(), deeds(), deedsOfTheHouse(), reports()} {
		for key, text := range part {
			out[key] = Pair{apart.Replace(text.French), text.English}
		}
	}
	return out
})

// apart keeps what French sets apart from a word in that word's line: no line begins with a colon.
var apart = strings.NewReplacer(" :", "\u00a0:", " ;", "\u00a0;", " !", "\u00a0!", " ?", "\u00a0?", " »", "\u00a0»", "« ", "«\u00a0")

// Say returns a text in a language ("fr", else English), with its arguments filled in.
func Say(language, key string, args ...any) string {
	p, ok := all()[key]
	if !ok {
		return key
	}
	s := p.English
	if language == French {
		s = p.French
	}
	return fill(s, args)
}

// Count returns the text for a number of things, which is {n} in it; {0} and on are the other arguments.
func Count(language, key string, n int, args ...any) string {
	one, many, both := strings.Cut(Say(language, key), "|")
	s := one
	if both && n != 1 && (language != French || n > 1 || n < -1) {
		s = many
	}
	return fill(strings.ReplaceAll(s, "{n}", Number(language, int64(n))), args)
}

// fill puts arguments in at once, so that one that looks like a place for another stays text.
func fill(s string, args []any) string {
	if len(args) == 0 {
		return s
	}
	pairs := make([]string, 0, 2*len(args))
	for i, a := range args {
		pairs = append(pairs, "{"+strconv.Itoa(i)+"}", fmt.Sprint(a))
	}
	return strings.NewReplacer(pairs...).Replace(s)
}

// Number writes a whole number with its thousands apart.
func Number(language string, n int64) string {
	mark := ","
	if language == French {
		mark = "\u202f"
	}
	s := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + mark + s[i:]
	}
	return sign + s
}

// Decimal writes a number with as many places after the point as are asked for.
func Decimal(language string, f float64, places int) string {
	s := strconv.FormatFloat(f, 'f', places, 64)
	if language == French {
		s = strings.Replace(s, ".", ",", 1)
	}
	return s
}
