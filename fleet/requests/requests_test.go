package requests_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/requests"
	"github.com/ardoise/ardoise/fleet/sqlite"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func refused(t testing.TB, err error, code requests.Code) *requests.RefusedError {
	t.Helper()
	var r *requests.RefusedError
	if !errors.As(err, &r) || r.Code != code {
		t.Fatalf("error = %v, want %s", err, code)
	}
	return r
}

type desk struct {
	*requests.Requests
	store *sqlite.Store
	mu    sync.Mutex
	at    time.Time
}

func (d *desk) now() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.at
}

func (d *desk) pass(x time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at = d.at.Add(x)
}

// open is a desk over a real store that knows a thousand computers.
func open(t testing.TB) *desk {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "a.db"))
	check(t, err)
	t.Cleanup(func() { _ = s.Close() })
	var c fleet.Change
	for i := range 1000 {
		c.Computers = append(c.Computers, fleet.Computer{ID: fmt.Sprint("c", i), Name: fmt.Sprint("PC-", i)})
	}
	check(t, s.Commit(t.Context(), c))
	d := &desk{store: s, at: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)}
	d.start(t)
	return d
}

func (d *desk) start(t testing.TB) {
	t.Helper()
	r, err := requests.Open(t.Context(), requests.Options{Store: d.store, Now: d.now})
	check(t, err)
	d.Requests = r
}

func TestARequestIsAnsweredClosedAndOpenedAgain(t *testing.T) {
	d := open(t)
	x, err := d.Open(t.Context(), requests.Report{Computer: "c1", Room: "zola/S104", Site: "zola", By: "prof", Text: " The screen\r\n\tflickers\u202f! \r\n"})
	check(t, err)
	if x.ID != "1" || x.State != requests.StateOpen || x.By != "prof" || x.Text != "The screen\nflickers !" {
		t.Errorf("opened %+v", x)
	}
	_, err = d.Reopen(t.Context(), "1", "tech", "")
	refused(t, err, requests.CodeNotOver)
	_, err = d.Answer(t.Context(), "1", "tech", " ")
	refused(t, err, requests.CodeEmpty)
	d.start(t)
	for i, tt := range []struct {
		do    func(context.Context, string, string, string) (requests.Request, error)
		words string
		state requests.State
	}{{d.Answer, "On Monday.", requests.StateAnswered}, {d.Answer, "On Tuesday.", requests.StateAnswered}, {d.Close, "", requests.StateClosed},
		{d.Reopen, "Again.", requests.StateOpen}, {d.Close, "Done.", requests.StateClosed}} {
		d.pass(time.Hour)
		x, err = tt.do(t.Context(), "1", "tech", tt.words)
		check(t, err)
		if n := x.Notes[i]; x.State != tt.state || len(x.Notes) != i+1 || n.Text != tt.words || n.By != "tech" || n.State != tt.state || n.Time != d.now() {
			t.Errorf("note %d: %+v", i, x)
		}
	}
	for _, do := range []func(context.Context, string, string, string) (requests.Request, error){d.Answer, d.Close} {
		_, err = do(t.Context(), "1", "tech", "x")
		refused(t, err, requests.CodeClosed)
	}
	d.pass(7*24*time.Hour + 1)
	_, err = d.Reopen(t.Context(), "1", "prof", "")
	refused(t, err, requests.CodeTooLate)
	d.start(t)
	if kept, err := d.Find(t.Context(), "1"); err != nil || len(kept.Notes) != 5 || kept.State != requests.StateClosed {
		t.Errorf("kept %+v, %v", kept, err)
	}
	if x, err = d.Open(t.Context(), requests.Report{Room: "S1", By: "prof", Text: "x"}); err != nil || x.ID != "2" {
		t.Errorf("the next is %+v, %v", x, err)
	}
	for _, id := range []string{"", "0", "-1", "3", "01", " 1", "1 OR 1=1", strings.Repeat("9", 400), "<script>"} {
		_, err = d.Find(t.Context(), id)
		refused(t, err, requests.CodeNone)
		_, err = d.Answer(t.Context(), id, "tech", "x")
		refused(t, err, requests.CodeNone)
	}
}

func TestWhatStrangersWriteIsBounded(t *testing.T) {
	d := open(t)
	for name, text := range map[string]string{"nothing": "", "blanks": " \r\n\t ", "other blanks": "\u2003\n\u00a0", "what does not print": "\u202e\n\x00\xff"} {
		_, err := d.Open(t.Context(), requests.Report{Computer: "c1", Text: text})
		if r := refused(t, err, requests.CodeEmpty); r.Field != "text" {
			t.Errorf("%s: field %q", name, r.Field)
		}
	}
	for _, text := range []string{strings.Repeat("é", 2001), strings.Repeat("a\n", 41), strings.Repeat("x", 1<<20)} {
		_, err := d.Open(t.Context(), requests.Report{Computer: "c1", Text: text})
		refused(t, err, requests.CodeLong)
	}
	_, err := d.Open(t.Context(), requests.Report{Text: "x"})
	refused(t, err, requests.CodeNowhere)
	x, err := d.Open(t.Context(), requests.Report{Computer: "c1", Name: "<script>\u202e" + strings.Repeat("n", 500), Text: "<script>\u202ea\x00b\xff\n'); DROP TABLE requests; --"})
	check(t, err)
	if x.Text != "<script>\ufffda\ufffdb\ufffd\n'); DROP TABLE requests; --" || utf8.RuneCountInString(x.Name) != 100 || strings.Contains(x.Name, "\u202e") {
		t.Errorf("kept %q by %q", x.Text, x.Name)
	}
	if x, err = d.Open(t.Context(), requests.Report{Computer: "c1", Text: strings.Repeat("é", 2000)}); err != nil || utf8.RuneCountInString(x.Text) != 2000 {
		t.Errorf("2000 characters: %v", err)
	}
}

func TestALabelReportsItsComputerAndNoOther(t *testing.T) {
	d := open(t)
	token, _, err := d.Label(t.Context(), "c1")
	check(t, err)
	if again, _, err := d.Label(t.Context(), "c1"); err != nil || again != token || len(token) != 22 {
		t.Errorf("printed again it is %q, not %q, %v", again, token, err)
	}
	other, _, err := d.Label(t.Context(), "c2")
	check(t, err)
	if other == token {
		t.Fatal("two computers have one label")
	}
	d.start(t)
	if id, err := d.ByLabel(t.Context(), token); err != nil || id != "c1" {
		t.Errorf("the label is of %q, %v", id, err)
	}
	for _, wrong := range []string{"", "c1", token + "x", token[:21], strings.ToLower(token) + "."} {
		_, err = d.ByLabel(t.Context(), wrong)
		refused(t, err, requests.CodeNoLabel)
	}
	_, err = d.OpenByLabel(t.Context(), token, "192.0.2.1", requests.Report{Computer: "c2", Text: "x"})
	refused(t, err, requests.CodeNoLabel)
	x, err := d.OpenByLabel(t.Context(), token, "192.0.2.1", requests.Report{Computer: "c1", Room: "S104", By: "root", Name: "Zoé", Text: "x"})
	check(t, err)
	if x.By != "" || x.Name != "Zoé" || x.Computer != "c1" {
		t.Errorf("reported %+v", x)
	}
	renewed, err := d.Relabel(t.Context(), "c1")
	check(t, err)
	_, err = d.ByLabel(t.Context(), token)
	refused(t, err, requests.CodeNoLabel)
	d.start(t)
	if id, err := d.ByLabel(t.Context(), renewed); err != nil || id != "c1" {
		t.Errorf("the new label is of %q, %v", id, err)
	}
	_, _, err = d.Label(t.Context(), "")
	refused(t, err, requests.CodeBadLabel)
	if _, _, err = d.Label(t.Context(), "not a computer"); err == nil {
		t.Error("a computer that there is not has a label")
	}
}

func TestReportsWithoutAnAccountAreLimited(t *testing.T) {
	d := open(t)
	report := func(i int, room, address string) error {
		id := fmt.Sprint("c", i)
		token, _, err := d.Label(t.Context(), id)
		check(t, err)
		_, err = d.OpenByLabel(t.Context(), token, address, requests.Report{Computer: id, Room: room, Text: "x"})
		return err
	}
	for i := range 3 { // of one label, wherever it comes from
		check(t, report(1, "A", fmt.Sprint("192.0.2.", i)))
	}
	if r := refused(t, report(1, "A", "192.0.2.9"), requests.CodeTooMany); r.Wait != 10*time.Minute {
		t.Errorf("it has to wait %s", r.Wait)
	}
	d.pass(10 * time.Minute)
	check(t, report(1, "A", "192.0.2.9"))
	refused(t, report(1, "A", "192.0.2.9"), requests.CodeTooMany)

	for i := range 30 { // of one address, whatever label
		check(t, report(10+i, fmt.Sprint("B", i), "192.0.2.77"))
	}
	if r := refused(t, report(50, "B", "192.0.2.77"), requests.CodeTooMany); r.Wait != time.Minute {
		t.Errorf("it has to wait %s", r.Wait)
	}
	d.pass(time.Minute)
	check(t, report(50, "B", "192.0.2.77"))

	for i := range 20 { // of one room, whoever comes
		check(t, report(100+i, "C", fmt.Sprint("198.51.100.", i)))
	}
	if r := refused(t, report(130, "c", "198.51.100.99"), requests.CodeTooMany); r.Wait != 0 {
		t.Errorf("a full room: %+v", r)
	}
	_, err := d.Open(t.Context(), requests.Report{Room: "C", By: "prof", Text: "x"}) // who has an account still may
	check(t, err)
	list, err := d.List(t.Context(), requests.Query{Room: "C", States: []requests.State{requests.StateOpen}})
	check(t, err)
	if len(list) != 21 {
		t.Fatalf("%d are open", len(list))
	}
	for _, x := range list[:2] {
		_, err = d.Close(t.Context(), x.ID, "tech", "")
		check(t, err)
	}
	d.pass(time.Hour)
	check(t, report(130, "C", "198.51.100.99"))
}

// A flood of invented addresses is forgotten again, and the limits of labels hold meanwhile.
func TestAFloodOfAddressesIsBounded(t *testing.T) {
	d := open(t)
	token, _, err := d.Label(t.Context(), "c1")
	check(t, err)
	done := 0
	for i := range 30_000 {
		_, err := d.OpenByLabel(t.Context(), token, fmt.Sprint("2001:db8::", i), requests.Report{Computer: "c1", Room: "A", Text: "x"})
		if err == nil {
			done++
		} else {
			refused(t, err, requests.CodeTooMany)
		}
	}
	if done != 3 {
		t.Errorf("%d reports of one label", done)
	}
}

func TestManyReportAtOnce(t *testing.T) {
	d := open(t)
	token, _, err := d.Label(t.Context(), "c1")
	check(t, err)
	ctx := context.Background()
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			x, err := d.Open(ctx, requests.Report{Computer: "c1", Room: "A", By: "prof", Text: "x"})
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = d.OpenByLabel(ctx, token, fmt.Sprint("192.0.2.", i), requests.Report{Computer: "c1", Room: "A", Text: "y"})
			_, err = d.Answer(ctx, x.ID, "tech", "z")
			if _, closed := d.Close(ctx, x.ID, "tech", ""); err != nil || closed != nil {
				t.Error(err, closed)
			}
			_, _ = d.Relabel(ctx, fmt.Sprint("c", i+10))
			_, _ = d.ByLabel(ctx, token)
		})
	}
	wait.Wait()
	list, err := d.List(ctx, requests.Query{})
	check(t, err)
	if len(list) != 11 {
		t.Errorf("%d requests", len(list))
	}
}

// doubtful is a store that keeps a request and says that it did not, as a disk may whose last word is lost.
type doubtful struct {
	requests.Store
	doubt bool
}

func (d *doubtful) CommitRequest(ctx context.Context, r *requests.Request, labels map[string]string) error {
	err := d.Store.CommitRequest(ctx, r, labels)
	if d.doubt && err == nil {
		return errors.New("the disk says nothing")
	}
	return err
}

// A request that was kept although the store said otherwise is never written over by the next one.
func TestANumberIsGivenOnce(t *testing.T) {
	d := open(t)
	s := &doubtful{Store: d.store, doubt: true}
	r, err := requests.Open(t.Context(), requests.Options{Store: s, Now: d.now})
	check(t, err)
	if _, err := r.Open(t.Context(), requests.Report{Computer: "c1", Room: "S104", By: "prof", Text: "no picture"}); err == nil {
		t.Fatal("the doubt is not told")
	}
	s.doubt = false
	second, err := r.Open(t.Context(), requests.Report{Computer: "c2", Room: "S105", By: "prof", Text: "no sound"})
	check(t, err)
	if x, err := r.Find(t.Context(), "1"); err != nil || x.Computer != "c1" || x.Text != "no picture" || second.ID != "2" {
		t.Errorf("the first is %+v, %v, the second %s", x, err, second.ID)
	}
	second.ID = "1" // nor does the store take a new one for a change
	if err := d.store.CommitRequest(t.Context(), &second, nil); err == nil {
		t.Error("a new request took the place of another")
	}
}
