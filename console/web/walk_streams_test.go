package web

import (
	"bufio"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/imaging/job"
)

// heard is a stream that is listened to until it ends.
type heard struct {
	login, page string
	text        strings.Builder
	news        chan struct{} // closed at the second message: something has changed
	over        chan struct{}
}

// listen opens a page's stream.
func (w *walked) listen(b *browser, login, page string) *heard {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.web.URL+eventsPath+"?"+page, nil)
	check(w.t, err)
	res, err := b.Do(r)
	check(w.t, err)
	if res.StatusCode != http.StatusOK {
		w.t.Fatalf("%s follows %s: %d", login, page, res.StatusCode)
	}
	h := &heard{login: login, page: page, news: make(chan struct{}), over: make(chan struct{})}
	begun := make(chan struct{})
	go func() {
		defer close(h.over)
		defer res.Body.Close()
		messages := 0
		for lines := bufio.NewReader(res.Body); ; {
			line, err := lines.ReadString('\n')
			h.text.WriteString(line)
			if line == "event: swap\n" {
				if messages++; messages == 1 {
					close(begun)
				} else if messages == 2 {
					close(h.news)
				}
			}
			if err != nil {
				return
			}
		}
	}()
	<-begun
	return h
}

// A stream tells its own school's news, and never another's, whoever listens and whatever page is open.
func TestStreamsTellNothingOfAnotherSchool(t *testing.T) {
	w := newWalk(t)
	zola, hugo := w.wings["zola"], w.wings["hugo"]
	room := url.QueryEscape(zola.room)
	var all []*heard
	for login := range zola.staff() {
		b := w.as(login)
		for _, page := range []string{"page=map", "page=boards&open=" + room + "&open=" + url.QueryEscape(hugo.room), "page=jobs", "page=room&room=" + room,
			"page=job&job=" + zola.job, "page=computer&id=" + zola.id} {
			all = append(all, w.listen(b, login, page))
		}
	}
	for _, x := range []*wing{hugo, zola} { // the other school's news first
		w.report(x.n, func(r *job.Report) { r.Step, r.Done, r.Total, r.Phase = 3, 60, 100, "write" })
		_, err := w.fleet.Annotate(t.Context(), x.id, "note of "+x.name+" again", "root")
		check(t, err)
	}
	for _, h := range all {
		<-h.news
	}
	w.web.CloseClientConnections()
	for _, h := range all {
		<-h.over
		if found := leaked(hugo, visited{path: h.page}, h.text.String()); len(found) > 0 || !strings.Contains(h.text.String(), zola.pc) && !strings.Contains(h.text.String(), `"/jobs/`+zola.job+`"`) {
			t.Errorf("%s reads at %s of hugo %q in %s", h.login, h.page, found, h.text.String())
		}
	}
}
