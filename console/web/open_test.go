package web

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/people"
)

// shown counts what stands on a map.
func shown(body string) (boards, tiles, dim, lines int) {
	return strings.Count(body, `<section class="board`), strings.Count(body, `<li class="tile`), strings.Count(body, ` dim" data-id`),
		strings.Count(body, `name="toggle"`)
}

// What is on a map is as much as somebody can look at: all tiles, else those that a filter asks for, else lines.
func TestAMapShowsAsMuchAsCanBeLookedAt(t *testing.T) {
	s := region(t, 4, 10) // 1,200 computers
	s.person("zoe", people.Technician, []string{"lycee01"}, nil)
	marie, zoe := s.as("marie"), s.as("zoe")
	for _, c := range []struct {
		who                       *browser
		path                      string
		boards, tiles, dim, lines int
		says                      string
	}{
		{marie, "/", 40, 0, 0, 40, "Show the 30 computers"},
		{marie, "/?q=runs:Bureautique", 40, 0, 0, 40, "30 of 30 match the filter"},
		{marie, "/?q=-runs:Bureautique@7", 40, 0, 0, 40, "20 of 30 match the filter"},
		{marie, "/?q=runs:Bureautique@7", 40, 400, 0, 0, "10 of 30 match the filter"},
		{marie, "/?q=link<=100", 20, 600, 580, 0, "1 of 30 matches the filter"},
		{marie, "/?q=name:lycee02-S104-05", 1, 30, 29, 0, "1 computer matches the filter"},
		{marie, "/?q=nobody-is-called-that", 0, 0, 0, 0, "0 computers match the filter"},
		{marie, "/?site=lycee01", 10, 300, 0, 0, ""},
		{marie, "/?site=lycee01&q=runs:Bureautique@7", 10, 300, 200, 0, "100 computers match the filter"},
		{marie, "/?q=colour:red", 40, 0, 0, 40, "is nothing that can be asked for"},
		{marie, "/?q=colour:red&site=lycee00", 10, 300, 0, 0, "is nothing that can be asked for"},
		{zoe, "/", 10, 300, 0, 0, ""},
		{zoe, "/?q=runs:Bureautique@7", 10, 300, 200, 0, "100 computers match the filter"},
		{zoe, "/?q=name:lycee02-S104-05", 0, 0, 0, 0, "0 computers match the filter"},
		{zoe, "/?site=lycee02", 0, 0, 0, 0, ""},
	} {
		path, query, _ := strings.Cut(c.path, "?")
		values, err := url.ParseQuery(query)
		check(t, err)
		status, body := c.who.get(path + "?" + values.Encode())
		boards, tiles, dim, lines := shown(body)
		if status != http.StatusOK || boards != c.boards || tiles != c.tiles || dim != c.dim || lines != c.lines || !strings.Contains(body, c.says) {
			t.Errorf("%s: %d, %d boards, %d tiles of which %d dim, %d lines; says %q: %v", c.path, status, boards, tiles, dim, lines, c.says,
				strings.Contains(body, c.says))
		}
	}
}

// Two people ask the same, each is told what is theirs; and what changes is told at once.
func TestAFilterCountsForWhoAsksAndNow(t *testing.T) {
	s := region(t, 2, 2)
	for i := range 2 {
		s.person(fmt.Sprintf("tech%d", i), people.Technician, []string{fmt.Sprintf("lycee%02d", i)}, nil)
	}
	s.person("claire", people.Teacher, nil, []string{"lycee01/S101"})
	found := func(login, query string) string {
		_, body := s.as(login).get("/?" + url.Values{"q": {query}}.Encode())
		_, after, _ := strings.Cut(body, `<p class="found" role="status"><strong>`)
		says, _, _ := strings.Cut(after, " ")
		return says
	}
	const query = "-runs:Bureautique@7 -tag:lent"
	for login, want := range map[string]string{"marie": "80", "tech0": "40", "tech1": "40", "claire": "20"} {
		for range 2 {
			if got := found(login, query); got != want {
				t.Errorf("%s is told of %s, there are %s", login, got, want)
			}
		}
	}
	_, err := s.fleet.Label(t.Context(), []string{"lycee01-S101-01"}, []string{"lent"}, nil, "marie")
	check(t, err)
	for login, want := range map[string]string{"marie": "79", "tech0": "40", "tech1": "39", "claire": "19"} {
		if got := found(login, query); got != want {
			t.Errorf("after a change %s is told of %s, there are %s", login, got, want)
		}
	}
	_, err = s.fleet.Place(t.Context(), []string{"lycee01-S102-01"}, "lycee00/S101", "marie") // runs Bureautique@5
	check(t, err)
	for login, want := range map[string]string{"marie": "79", "tech0": "41", "tech1": "38"} {
		if got := found(login, query); got != want {
			t.Errorf("after a move %s is told of %s, there are %s", login, got, want)
		}
	}
}

// opening asks for a room as htmx does.
func (b *browser) opening(toggle string, open ...string) (*http.Response, string) {
	b.s.t.Helper()
	r, err := http.NewRequestWithContext(b.s.t.Context(), http.MethodGet, b.s.web.URL+"/boards?"+url.Values{"toggle": {toggle}, "open": open}.Encode(), nil)
	check(b.s.t, err)
	r.Header.Set("HX-Request", "true")
	return b.do(r)
}

// hears reads a stream until it says something.
func (b *browser) hears(path, want string) {
	b.s.t.Helper()
	r, err := http.NewRequestWithContext(b.s.t.Context(), http.MethodGet, b.s.web.URL+path, nil)
	check(b.s.t, err)
	res, err := b.Do(r)
	check(b.s.t, err)
	defer func() { _ = res.Body.Close() }()
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if strings.Contains(lines.Text(), want) {
			return
		}
	}
	b.s.t.Errorf("%s ended before it said %q", path, want)
}

func TestARoomOfARegionIsOpenedInItsPlace(t *testing.T) {
	s := region(t, 4, 10)
	s.person("zoe", people.Technician, []string{"lycee01"}, nil)
	marie := s.as("marie")
	res, body := marie.opening("lycee02/S104")
	if _, tiles, _, lines := shown(body); res.StatusCode != http.StatusOK || tiles != 30 || lines != 1 {
		t.Errorf("a room that is opened: %d, %d tiles, %d buttons", res.StatusCode, tiles, lines)
	}
	for _, want := range []string{`hx-swap-oob="innerHTML:#b-` + key("lycee02/S104"), `aria-expanded="true"`, `name="open" value="lycee02/S104"`,
		`sse-connect="/events?open=lycee02%2FS104&amp;page=boards"`} {
		if !strings.Contains(body, want) {
			t.Errorf("a room that is opened has no %s\n%.600s", want, body)
		}
	}
	if got := res.Header.Get("HX-Replace-Url"); got != "/?open=lycee02%2FS104" {
		t.Errorf("the address becomes %q", got)
	}
	status, body := marie.get("/?open=lycee02%2FS104&open=lycee03%2FS101&open=nowhere%2FS104&open=lycee02%2FS104")
	if boards, tiles, _, lines := shown(body); status != http.StatusOK || boards != 40 || tiles != 60 || lines != 40 ||
		!strings.Contains(body, `sse-connect="/events?open=lycee02%2FS104&amp;open=lycee03%2FS101&amp;page=boards"`) &&
			!strings.Contains(body, `sse-connect="/events?open=lycee03%2FS101&amp;open=lycee02%2FS104&amp;page=boards"`) {
		t.Errorf("a map with two rooms open: %d, %d boards, %d tiles, %d buttons", status, boards, tiles, lines)
	}
	res, body = marie.opening("lycee02/S104", "lycee02/S104", "lycee03/S101")
	if _, tiles, _, lines := shown(body); tiles != 0 || lines != 1 || !strings.Contains(body, `aria-expanded="false"`) ||
		res.Header.Get("HX-Replace-Url") != "/?open=lycee03%2FS101" {
		t.Errorf("a room that is closed: %d tiles, %d buttons, the address is %s", tiles, lines, res.Header.Get("HX-Replace-Url"))
	}
	// Without scripts the same form leads to the map
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.web.URL+"/boards?toggle=lycee02%2FS104&q=runs:Bureautique", nil)
	check(t, err)
	if res, _ = marie.do(r); res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/?open=lycee02%2FS104&q=runs%3ABureautique#b-"+key("lycee02/S104") {
		t.Errorf("without scripts: %d to %s", res.StatusCode, res.Header.Get("Location"))
	}
	// What is open is alive, also for who looks at no more than that
	marie.hears("/events?page=boards&open=lycee02%2FS104", "lycee02-S104-07")
	marie.hears("/events?page=map&how=2", "#h-"+key("lycee02/S104"))
	marie.hears("/events?page=map&how=0", "event: ended") // it is drawn in another way by now
	// Another's room is not there, whoever names it
	zoe := s.as("zoe")
	for _, toggle := range []string{"lycee02/S104", "lycee02/", "/", "", "lycee01", "LYCEE01/S104", `lycee01/S104"><script>`} {
		res, body := zoe.opening(toggle, "lycee00/S101")
		if strings.Contains(body, "lycee02-") || strings.Contains(body, "lycee00-") || strings.Contains(body, "<section") || strings.Contains(body, "<script>") || res.StatusCode != http.StatusOK {
			t.Errorf("a technician of another site opens %q: %d\n%s", toggle, res.StatusCode, body)
		}
	}
}

// There are never more tiles than can be looked at: the room that was opened first is closed.
func TestRoomsCloseWhenTooManyAreOpen(t *testing.T) {
	s := region(t, 4, 10)
	var open []string
	for i := range 23 { // 690 tiles
		open = append(open, fmt.Sprintf("lycee%02d/S%d", i/10, 101+i%10))
	}
	_, body := s.as("marie").opening("lycee03/S110", open...)
	if _, tiles, _, lines := shown(body); tiles != 30 || lines != 2 || !strings.Contains(body, "#b-"+key(open[0])) || strings.Contains(body, "open="+url.QueryEscape(open[0])) {
		t.Errorf("the 24th room: %d tiles, %d buttons", tiles, lines)
	}
	sizes := map[string]int{"a": 300, "b": 300, "c": 300, "hall": 701, "all": 700}
	for _, c := range []struct{ want, get []string }{
		{nil, nil}, {[]string{"a", "b"}, []string{"a", "b"}}, {[]string{"a", "b", "c"}, []string{"b", "c"}}, {[]string{"hall"}, nil},
		{[]string{"a", "hall", "b"}, []string{"a", "b"}}, {[]string{"a", "all"}, []string{"all"}}, {[]string{"a", "x", "a"}, []string{"a"}},
	} {
		if got := openings(c.want, sizes); !slices.Equal(got, c.get) {
			t.Errorf("of %v %v are open, want %v", c.want, got, c.get)
		}
	}
}

// A hall with more computers than a page has tiles leads to their list.
func TestAHallIsAList(t *testing.T) {
	var c fleet.Change
	for n := range maxTiles + 1 {
		c.Computers = append(c.Computers, fleet.Computer{ID: fmt.Sprintf("%032x", n+1), Name: fmt.Sprintf("pc%d", n), State: fleet.Enrolled, Key: fmt.Sprint(n)})
	}
	s := schoolWith(t, c)
	s.person("marie", people.Administrator, nil, nil)
	marie := s.as("marie")
	_, body := marie.get("/?open=/")
	_, list, _ := strings.Cut(body, `href="/computers?q=`)
	list, _, _ = strings.Cut(list, `"`)
	if boards, tiles, _, lines := shown(body); boards != 1 || tiles != 0 || lines != 0 || list == "" {
		t.Fatalf("a hall: %d boards, %d tiles, %d buttons", boards, tiles, lines)
	}
	if status, body := marie.get("/computers?q=" + list); status != http.StatusOK || !strings.Contains(body, "701") {
		t.Errorf("its list, %s: %d", list, status)
	}
	if _, body := marie.opening("/"); strings.Contains(body, `<li class="tile`) {
		t.Error("a hall can be opened")
	}
}

// A filter that nobody would type is answered like any other: the field keeps it, and nothing else of the page does.
func TestHostileFiltersAreAnswered(t *testing.T) {
	s := region(t, 3, 10)
	marie := s.cookies("marie")
	for name, c := range map[string]struct{ query, says string }{
		"ten thousand conditions": {strings.Repeat("a ", 10_000), "at most 1000 characters"},
		"fifty-one":               {strings.Repeat("a ", 51), "at most 50 conditions"},
		"fifty that are not":      {strings.TrimSpace(strings.Repeat("-lycee0x ", 50)), "900 computers match"},
		"a row of hyphens":        {strings.Repeat("-", 999), "900 computers match"},
		"no end":                  {`"` + strings.Repeat(`\`, 998), "a quotation mark"},
		"a long word":             {strings.Repeat("é", 100_000), "at most 1000 characters"},
		"markup":                  {`<script>alert(1)</script>`, "0 computers match"},
		"a number of numbers":     {"link<=" + strings.Repeat("9", 900), "is compared with a number"},
		"what does not print":     {"\x00\u202e\xff", "0 computers match"},
	} {
		w := s.asked(marie, "/?"+url.Values{"q": {c.query}}.Encode())
		r, err := gzip.NewReader(w.Body)
		check(t, err)
		body, err := io.ReadAll(r)
		check(t, err)
		if w.Code != http.StatusOK || !strings.Contains(string(body), c.says) || strings.Contains(string(body), "<script>a") {
			t.Errorf("%s: %d, says %q: %v", name, w.Code, c.says, strings.Contains(string(body), c.says))
		}
		live := attributeOf(string(body), "sse-connect")
		if len(live) > 10_000 || live == "" {
			t.Errorf("%s: the stream's address has %d bytes", name, len(live))
		}
	}
}

func TestAStreamRestsLongerThanItWorks(t *testing.T) {
	for took, want := range map[time.Duration]time.Duration{0: pause, time.Millisecond: pause, 50 * time.Millisecond: time.Second, time.Minute: longest} {
		if got := rest(took); got != want {
			t.Errorf("after %s of work it rests for %s, want %s", took, got, want)
		}
	}
}
