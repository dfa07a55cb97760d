// Command testreport reads what `go test -json` prints and shows what a person needs of it: the line that go test prints
// for each package, everything a failed test said, the longest tests, and one closing line with the counts.
//
//	go test -json ./... | go run ./scripts/testreport -show integration/firstlight
//
// Packages whose path contains the word after -show are long: what their tests log is shown at once, with the name of
// the test before it, and the last that a failed one said again where its package ends: what was shown at once stands far
// above by then. It ends with 1 when a test or a build failed, or when there was no test at all.
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
)

// longest is how many tests are named at the end.
const longest = 15

// again is how many lines of a failed test are shown a second time.
const again = 12

// event is one line of `go test -json` (go doc test2json).
type event struct {
	Action     string
	Package    string
	ImportPath string // of build-output
	Test       string
	Elapsed    float64 // seconds
	Output     string
}

// report collects events.
type report struct {
	out    io.Writer
	show   string
	said   map[string][]string // output of tests that are not over, by package and test
	ends   map[string][]string // the last lines of failed tests that were shown at once, by package
	passed int
	failed []string
	skips  []string
	times  []timed
}

// logPlace is the file and line that t.Log puts before what is logged.
var logPlace = regexp.MustCompile(`^[a-z_]+\.go:[0-9]+: `)

// timed is how long one test took.
type timed struct {
	name    string
	seconds float64
}

func main() {
	show := flag.String("show", "", "show at once what tests log whose package path contains this")
	flag.Parse()
	r := &report{out: os.Stdout, show: *show, said: map[string][]string{}, ends: map[string][]string{}}
	if err := r.read(os.Stdin); err != nil {
		fmt.Fprintf(os.Stderr, "error: reading what go test prints: %v\n", err)
		os.Exit(5)
	}
	if !r.close() {
		os.Exit(1)
	}
}

// read takes all events; lines that are not events are shown as they are.
func (r *report) read(in io.Reader) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 64<<10), 16<<20)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			fmt.Fprintln(r.out, lines.Text())
			continue
		}
		r.take(e)
	}
	return lines.Err()
}

// take handles one event.
func (r *report) take(e event) {
	name := strings.TrimPrefix(e.Package, "github.com/ardoise/ardoise/") + " " + e.Test
	switch {
	case e.Action == "build-output":
		fmt.Fprint(r.out, e.Output)
	case e.Action == "output" && e.Test == "":
		if e.Output == "FAIL\n" {
			fmt.Fprint(r.out, strings.Join(r.ends[e.Package], ""))
		}
		if e.Output != "PASS\n" && !strings.HasPrefix(e.Output, "-test.shuffle") && !strings.Contains(e.Output, "[no test files]") {
			fmt.Fprint(r.out, e.Output)
		}
	case e.Action == "output":
		r.heard(e, name)
	case e.Test == "" && e.Action == "fail":
		r.failed = append(r.failed, e.Package)
	case e.Test != "":
		r.ended(e, name)
	}
}

// heard keeps or shows what a test printed.
func (r *report) heard(e event, name string) {
	if r.shown(e) {
		text := strings.TrimSpace(e.Output)
		if text == "" || strings.HasPrefix(text, "=== ") {
			return
		}
		fmt.Fprintf(r.out, "  %.40s: %s\n", e.Test[strings.LastIndexByte(e.Test, '/')+1:], logPlace.ReplaceAllString(text, ""))
	}
	if r.shown(e) && strings.Contains(e.Output, " level=") {
		return // a line of a daemon's log, of which there are hundreds, is no test's reason
	}
	r.said[name] = append(r.said[name], e.Output)
	if r.shown(e) && len(r.said[name]) > again {
		r.said[name] = r.said[name][1:]
	}
}

// shown tells whether the package of an event is one whose tests are shown at once.
func (r *report) shown(e event) bool {
	return r.show != "" && strings.Contains(e.Package, r.show)
}

// ended counts a test that is over.
func (r *report) ended(e event, name string) {
	switch e.Action {
	case "pass":
		r.passed++
	case "skip":
		r.skips = append(r.skips, name)
	case "fail":
		r.failed = append(r.failed, name)
		if r.shown(e) {
			r.ends[e.Package] = append(r.ends[e.Package], r.said[name]...)
		} else {
			fmt.Fprint(r.out, strings.Join(r.said[name], ""))
		}
	default:
		return
	}
	delete(r.said, name)
	r.times = append(r.times, timed{name, e.Elapsed})
}

// close prints the end of the report and tells whether all is well.
func (r *report) close() bool {
	slices.SortFunc(r.times, func(a, b timed) int { return cmp.Compare(b.seconds, a.seconds) })
	fmt.Fprintln(r.out, "\nThe longest tests:")
	for _, t := range r.times[:min(longest, len(r.times))] {
		fmt.Fprintf(r.out, "%8.1f s  %s\n", t.seconds, t.name)
	}
	tests := 0
	for _, name := range r.failed {
		fmt.Fprintf(r.out, "FAIL %s\n", name)
		if strings.Contains(name, " ") {
			tests++
		}
	}
	for _, name := range r.skips {
		fmt.Fprintf(r.out, "SKIP %s\n", name)
	}
	fmt.Fprintf(r.out, "\n%d passed, %d failed, %d skipped\n", r.passed, max(tests, min(1, len(r.failed))), len(r.skips))
	return len(r.failed) == 0 && r.passed > 0
}
