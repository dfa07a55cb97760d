package screen

import (
	"fmt"
	"strings"
	"time"

	"github.com/ardoise/ardoise/imaging/agent/notices"
)

const width = 78

// ECMA-48 sequences that every Linux text screen knows.
const (
	home      = "\x1b[H"
	clearLine = "\x1b[K"
	clearRest = "\x1b[J"
	plain     = "\x1b[0m"
	bold      = "\x1b[1m"
	inverse   = "\x1b[7m"
	yellow    = "\x1b[1;33m"
	red       = "\x1b[1;31m"
	hide      = "\x1b[?25l"
	utf8      = "\x1b%G"
)

// page draws the whole text screen: from the top left corner, each line erased to its end, so that it does not flicker.
func (s *Screen) page() string {
	var b strings.Builder
	b.WriteString(utf8 + hide + home)
	put := func(style, text string) { b.WriteString(style + text + plain + clearLine + "\r\n") }

	right := ""
	if s.computer != "" {
		right = notices.WordComputer.In(s.lang) + " " + s.computer
	}
	put(inverse, " "+pad("Ardoise", width-2-len([]rune(right)))+right+" ")
	put("", "")
	for _, l := range wrap(s.said.What.In(s.lang), width-4) {
		put(style(s.said.Severity), "  "+l)
	}
	for _, l := range wrap(s.said.Do.In(s.lang), width-4) {
		put("", "  "+l)
	}
	put("", "")
	for _, l := range large(s.code) {
		put(bold, "    "+l)
	}
	for i, st := range s.steps {
		put("", s.stepLine(i, st))
		if i == s.at && s.total > 0 {
			put(bold, "     "+s.bar())
			if l := s.ratesLine(); l != "" {
				put("", "     "+l)
			}
		}
	}
	if s.busy {
		put("", "")
		put(yellow, "  "+notices.WordDoNot.In(s.lang))
	}
	for _, w := range s.warnings {
		put("", "")
		for _, l := range wrap(w.What.In(s.lang)+" "+w.Do.In(s.lang), width-6) {
			put(yellow, "  ! "+l)
		}
	}
	if s.said.Severity == notices.Fault {
		put("", "")
		put("", "  ["+string(s.said.Code)+"]")
	}
	if s.restart > 0 {
		put("", "  "+notices.Get(notices.Restarting, s.restart).What.In(s.lang))
	}
	b.WriteString(clearRest)
	return b.String()
}

func style(v notices.Severity) string {
	switch v {
	case notices.Fault:
		return red
	case notices.Wait, notices.Warn:
		return yellow
	}
	return bold
}

func (s *Screen) stepLine(i int, st step) string {
	mark, took := "  ", ""
	if i == s.at {
		mark = "> "
	}
	if st.over {
		took = fmt.Sprintf("%.1f s", st.took.Seconds())
	}
	return mark + pad(fmt.Sprintf("%d  %s", i+1, st.word.In(s.lang)), 50) + took
}

func (s *Screen) bar() string {
	const cells = 30
	full := int(percent(s.done, s.total)) * cells / 100
	text := strings.Repeat("█", full) + strings.Repeat("░", cells-full) + fmt.Sprintf(" %3d %%", percent(s.done, s.total))
	rate := s.rate()
	if rate <= 0 {
		return text
	}
	left := time.Duration(float64(s.total-s.done) / rate * float64(time.Second)).Round(time.Second)
	unit := notices.Text{FR: "Mo/s", EN: "MB/s"}.In(s.lang)
	return text + fmt.Sprintf("  %.0f %s  %s %s", rate/1e6, unit, notices.WordLeft.In(s.lang), left)
}

// ratesLine says both rates and the loss, "" while there is nothing to say.
func (s *Screen) ratesLine() string {
	r := s.rates
	if r.Wire <= 0 && r.Disk <= 0 {
		return ""
	}
	unit := notices.Text{FR: "Mo/s", EN: "MB/s"}.In(s.lang)
	text := fmt.Sprintf("%.0f %s %s  %.0f %s %s", float64(r.Wire)/1e6, unit, notices.WordNetwork.In(s.lang),
		float64(r.Disk)/1e6, unit, notices.WordDisk.In(s.lang))
	if r.Lost >= 0.0005 {
		share := fmt.Sprintf("%.1f", 100*r.Lost)
		if s.lang != notices.English {
			share = strings.Replace(share, ".", ",", 1)
		}
		text += fmt.Sprintf("  %s %% %s", share, notices.WordLost.In(s.lang))
	}
	return text
}

// rate is bytes per second over the last seconds.
func (s *Screen) rate() float64 {
	n := len(s.samples)
	if n < 2 {
		return 0
	}
	a, b := s.samples[0], s.samples[n-1]
	if d := b.at.Sub(a.at).Seconds(); d > 0 && b.done > a.done {
		return float64(b.done-a.done) / d
	}
	return 0
}

func pad(s string, n int) string {
	if c := len([]rune(s)); c < n {
		return s + strings.Repeat(" ", n-c)
	}
	return s
}

// wrap cuts a sentence at spaces into lines of at most n characters.
func wrap(s string, n int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(s) {
		for len([]rune(word)) > n {
			r := []rune(word)
			if line != "" {
				lines, line = append(lines, line), ""
			}
			lines, word = append(lines, string(r[:n])), string(r[n:])
		}
		switch {
		case line == "":
			line = word
		case len([]rune(line))+1+len([]rune(word)) > n:
			lines, line = append(lines, line), word
		default:
			line += " " + word
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// large draws digits five rows high, so that a code can be read from the door of the room.
func large(code string) []string {
	if code == "" {
		return nil
	}
	rows := make([]string, 5)
	for i, c := range code {
		g := glyph(c)
		for r := range rows {
			cells := strings.NewReplacer("#", "██", ".", "  ").Replace(g[r])
			rows[r] += cells + "  "
		}
		if i == 2 {
			for r := range rows {
				rows[r] += "  "
			}
		}
	}
	return append(rows, "")
}

func glyph(c rune) [5]string {
	switch c {
	case '0':
		return [5]string{"###", "#.#", "#.#", "#.#", "###"}
	case '1':
		return [5]string{".#.", "##.", ".#.", ".#.", "###"}
	case '2':
		return [5]string{"###", "..#", "###", "#..", "###"}
	case '3':
		return [5]string{"###", "..#", "###", "..#", "###"}
	case '4':
		return [5]string{"#.#", "#.#", "###", "..#", "..#"}
	case '5':
		return [5]string{"###", "#..", "###", "..#", "###"}
	case '6':
		return [5]string{"###", "#..", "###", "#.#", "###"}
	case '7':
		return [5]string{"###", "..#", "..#", ".#.", ".#."}
	case '8':
		return [5]string{"###", "#.#", "###", "#.#", "###"}
	case '9':
		return [5]string{"###", "#.#", "###", "..#", "###"}
	}
	return [5]string{"...", "...", "...", "...", "..."}
}
