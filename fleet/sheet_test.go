package fleet_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
)

func (h *house) imports(text string, how fleet.Import) (fleet.ImportReport, error) {
	how.By = "marie"
	return h.ImportCSV(context.Background(), strings.NewReader(text), how)
}

// What is counted agrees with its number.
func TestAListSaysHowManyLinesAreWrong(t *testing.T) {
	h := schools(t)
	for list, want := range map[string]string{
		"name,mac\nx,y\n":      `bad-sheet: line 2 is wrong: "y" is no mac`,
		"name,mac\nx,y\nz,y\n": `bad-sheet: 2 of 2 lines are wrong: line 2: "y" is no mac`,
		"name,mac\nx\n":        "bad-sheet: line 2 is wrong: it has not as many cells as the first line: 1, not 2",
	} {
		if _, err := h.imports(list, fleet.Import{}); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", list, err, want)
		}
	}
}

func TestAListOfExpectedComputers(t *testing.T) {
	h := schools(t)
	rep, err := h.imports("\ufeffName;Room;MAC;UUID;Serial;Tags;Note\r\n"+
		"S104-20;zola/s104;52-54-00-00-01-2C;;;portable prof;\"écran\nfêlé\"\r\n"+
		"S104-21;hugo/;;"+strings.ToUpper(uuid(301))+";;;\r\n"+
		"S104-22;;;;SN-0302;;'=1+1\r\n\r\n"+
		"z1;zola/S104;;;;neuf;\r\n", fleet.Import{})
	if err != nil || !rep.Done || rep.Lines != 4 || rep.Created != 3 || rep.Changed != 1 || rep.WrongAll != 0 {
		t.Fatalf("%+v, %v", rep, err)
	}
	h.kill()
	c := h.computer("S104-20")
	if c.Room != "zola/S104" || !slices.Equal(c.Tags, []string{"portable", "prof"}) || c.Note != "écran\nfêlé" || c.Shown() != fleet.Expected || c.Key != "" {
		t.Errorf("expected: %+v", c)
	}
	if c := h.computer("S104-22"); c.Note != "=1+1" || c.Site != "" || h.SiteOf(h.computer("S104-21")) != "hugo" {
		t.Errorf("expected: %+v", c)
	}
	// They come, one by its address, one by its UUID, one by its serial number.
	for n, name := range map[int]string{300: "S104-20", 301: "S104-21", 302: "S104-22"} {
		w := h.helloFrom(fmt.Sprint("k", n), map[int]string{300: "10.1.0.9", 301: "10.2.0.9", 302: "10.0.0.9"}[n], hello(n))
		got, err := h.Approve(context.Background(), fleet.Approval{Code: w.Code, By: "marie"})
		if err != nil || got.Name != name || got.Shown() != fleet.Enrolled {
			t.Errorf("computer %d becomes %s, %s, %v; want %s", n, got.Name, got.Shown(), err, name)
		}
	}
	if c := h.computer("S104-20"); c.Room != "zola/S104" || len(c.Tags) != 2 {
		t.Errorf("once enrolled: %+v", c)
	}
	rep, err = h.imports("name,tags\nS104-20,portable prof\n", fleet.Import{})
	if err != nil || rep.Unchanged != 1 || rep.Done {
		t.Errorf("the same again: %+v, %v", rep, err)
	}
	if c := h.computer("S104-20"); c.Note != "écran\nfêlé" || c.Room == "" {
		t.Errorf("columns that are not there change it: %+v", c)
	}
}

func TestWrongLinesAreNamedAndNothingIsTaken(t *testing.T) {
	h := schools(t)
	text := "name,room,mac,uuid,serial,tags,note\n" +
		"new1,zola/S104,52:54:00:00:09:01,,,,\n" + // 2: right
		"123456,,52:54:00:00:09:02,,,,\n" + // 3: a code, not a name
		"new3,zola/S999,52:54:00:00:09:03,,,,\n" + // 4
		"new4,,hello,,,,\n" + // 5
		"new5,,,00000000-0000-0000-0000-000000000000,,,\n" + // 6
		"new6,,,,To be filled by O.E.M.,,\n" + // 7
		"new7,,52:54:00:00:09:07,,,a:b,\n" + // 8
		"new8,,,,,,\n" + // 9: how to know it?
		",,52:54:00:00:09:09,,,,\n" + // 10: what to call it?
		"z1,,52:54:00:00:09:10,,,,\n" + // 11: the name of another
		"new1,,52:54:00:00:09:11,,,,\n" + // 12: twice
		"too,few\n" + // 13
		"both,,52:54:00:00:00:01 52:54:00:00:00:02,,,,\n" + // 14: two computers
		"z2,hugo/S104,,,,,\n" + // 15: right
		"z2,,,,,,\n" // 16: the same computer
	rep, err := h.imports(text, fleet.Import{})
	wantCode(t, "a list with wrong lines", err, fleet.CodeBadSheet)
	var lines []int
	for _, w := range rep.Wrong {
		lines = append(lines, w.Line)
	}
	if want := []int{3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16}; !slices.Equal(lines, want) || rep.Done || rep.WrongAll != len(want) {
		t.Errorf("lines %v are wrong, want %v: %+v", lines, want, rep.Wrong)
	}
	if _, err := h.Find("new1"); err == nil || h.computer("z2").Room != "" {
		t.Error("something was taken")
	}
	rep, err = h.imports(text, fleet.Import{Partly: true, Try: true})
	if err != nil || rep.Done || rep.Created != 1 || rep.Changed != 1 || h.computer("z2").Room != "" {
		t.Errorf("a try: %+v, %v", rep, err)
	}
	rep, err = h.imports(text, fleet.Import{Partly: true})
	if err != nil || !rep.Done || h.computer("new1").Room != "zola/S104" || h.computer("z2").Room != "hugo/S104" {
		t.Errorf("partly: %+v, %v", rep, err)
	}
}

func TestListsThatAreNone(t *testing.T) {
	h := schools(t)
	for name, text := range map[string]string{
		"empty": "", "no names": "a;b\n1;2\n", "twice the same": "name,name\n", "a spreadsheet": "PK\x03\x04\x00\x00", "markup": "<html>",
		"too many lines": "name\n" + strings.Repeat("x\n", 20_001), "too long": "name\n" + strings.Repeat("x", 33<<20),
	} {
		_, err := h.imports(text, fleet.Import{Partly: true})
		wantCode(t, name, err, fleet.CodeBadSheet)
	}
	rep, err := h.imports("name,note\nz1,\"never ends\nz2,x\n", fleet.Import{})
	if wantCode(t, "an open quotation", err, fleet.CodeBadSheet); rep.WrongAll != 1 || rep.Wrong[0].Line != 2 {
		t.Errorf("%+v", rep)
	}
	// What a spreadsheet of Windows writes.
	rep, err = h.imports("name;note\r\nz1;\xe9cran \x80\r\n", fleet.Import{})
	if err != nil || !rep.Done || h.computer("z1").Note != "écran €" {
		t.Errorf("%+v, %v: %q", rep, err, h.computer("z1").Note)
	}
}

// Rooms are renumbered: names go round, and who is refused keeps his, so that who wanted it is refused as well.
func TestNamesGoRoundInAList(t *testing.T) {
	h := schools(t)
	rep, err := h.imports("mac,name\n"+mac(1)+",h1\n"+mac(2)+",z2\n"+mac(3)+",z1\n", fleet.Import{})
	if err != nil || rep.Changed != 3 {
		t.Fatalf("%+v, %v", rep, err)
	}
	for range 2 {
		for name, key := range map[string]string{"h1": "kz1", "z2": "kh1", "z1": "kz2"} {
			if c := h.computer(name); c.Key != key {
				t.Errorf("%s has key %s, want %s", name, c.Key, key)
			}
			if c, err := h.Authorise(key); err != nil || c.Name != name {
				t.Errorf("key %s is of %s, %v", key, c.Name, err)
			}
		}
		h.kill()
	}
	rep, err = h.imports("mac,name\n"+mac(1)+",x1\n"+mac(2)+",h1\n"+mac(3)+",fine\n", fleet.Import{Partly: true})
	if err != nil || rep.WrongAll != 2 || rep.Changed != 1 || h.computer("h1").Key != "kz1" || h.computer("fine").Key != "kz2" {
		t.Errorf("%+v, %v", rep, err)
	}
}

func TestWhatIsNotSomebodysToChange(t *testing.T) {
	h := schools(t)
	mine := func(c fleet.Computer, room string) bool {
		return (c.ID == "" || c.Site == "zola") && fleet.SiteOf(room) == "zola"
	}
	rep, err := h.imports("name,room,mac\nz1,zola/S104,\nh1,zola/S104,\nz2,hugo/S104,\nn1,zola/S104,52:54:00:00:09:01\nn2,hugo/S104,52:54:00:00:09:02\n",
		fleet.Import{May: mine, Partly: true})
	if err != nil || rep.WrongAll != 3 || rep.Created != 1 || rep.Unchanged != 1 {
		t.Errorf("%+v, %v", rep, err)
	}
	if strings.Contains(fmt.Sprint(rep.Wrong), "h1") {
		t.Errorf("the report names a computer of another site: %+v", rep.Wrong)
	}
}

func TestNoCellIsAFormulaAndAllComesBack(t *testing.T) {
	h := schools(t)
	notes := []string{"=HYPERLINK(\"http://x\")", "+1", "-1", "@SUM(A1)", "'=1", "''", "'a", "a;b\"c\nd", "\u202e<script>"}
	for i, note := range notes {
		c := h.enrol(fmt.Sprint("kk", i), fmt.Sprintf("n%d", i), job.Hello{MAC: mac(400 + i),
			Inventory: job.Inventory{UUID: uuid(400 + i), Serial: "=SN\t" + fmt.Sprint(i)}})
		_, err := h.Annotate(context.Background(), c.ID, note, "m")
		check(t, err)
	}
	var out bytes.Buffer
	before := h.Computers()
	check(t, fleet.ExportCSV(&out, before))
	in := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(out.Bytes(), []byte("\ufeff"))))
	in.Comma = ';'
	lines, err := in.ReadAll()
	check(t, err)
	for _, line := range lines[1:] {
		for _, cell := range line {
			if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r") {
				t.Errorf("a spreadsheet calculates %q", cell)
			}
		}
	}
	for i := range notes {
		_, err := h.Annotate(context.Background(), fmt.Sprintf("n%d", i), "lost", "m")
		check(t, err)
	}
	text := out.String()
	rep, err := h.imports(text, fleet.Import{Partly: true})
	if err != nil {
		t.Fatalf("%+v, %v", rep, err)
	}
	for i, note := range notes {
		if got := h.computer(fmt.Sprintf("n%d", i)).Note; got != fleet.Clean(note, 100) && got != note {
			t.Errorf("note %q came back as %q", note, got)
		}
	}
}

// Whatever a list holds, it is taken or refused, and no two computers have one name afterwards.
func FuzzImport(f *testing.F) {
	for _, s := range []string{"name;room;mac;uuid;serial;tags;note\nz1;S104;52:54:00:00:00:01;;;a b;'=1\n", "name\nz1\nz2\n", "\xff\xfe", "name,mac\nz2,52:54:00:00:00:01\nz1,52:54:00:00:00:02\n",
		"mac\tname\n" + mac(7) + "\tnew\n", "name,note\n\"a\nb\",\"", "uuid,name\n" + uuid(1) + ",zz\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		h := immortal(t)
		h.enrol("k1", "z1", hello(1))
		h.enrol("k2", "z2", hello(2))
		h.room("S104", func(*fleet.Room) {}, "z1")
		rep, err := h.ImportCSV(context.Background(), bytes.NewReader(text), fleet.Import{By: "m", Partly: true})
		var refused *fleet.RefusedError
		if err != nil && !errors.As(err, &refused) {
			t.Fatal(err)
		}
		if rep.Changed+rep.Created+rep.Unchanged+rep.WrongAll != rep.Lines && err == nil {
			t.Fatalf("lines are lost: %+v", rep)
		}
		seen := map[string]bool{}
		for _, c := range h.Computers() {
			if seen[strings.ToLower(c.Name)] || !utf8.ValidString(c.Name+c.Note) || c.Room != "" && c.Room != "S104" {
				t.Fatalf("afterwards there is %+v", c)
			}
			seen[strings.ToLower(c.Name)] = true
			if found, err := h.Find(c.Name); err != nil || found.ID != c.ID {
				t.Fatalf("%s is found as %s, %v", c.Name, found.ID, err)
			}
		}
		var first, second bytes.Buffer
		check(t, fleet.ExportCSV(&first, h.Computers()))
		if _, err := h.ImportCSV(context.Background(), bytes.NewReader(first.Bytes()), fleet.Import{By: "m"}); err != nil {
			t.Fatalf("what is exported is refused: %v", err)
		}
		check(t, fleet.ExportCSV(&second, h.Computers()))
		if !bytes.Equal(first.Bytes(), second.Bytes()) {
			t.Fatalf("exported\n%s\nand again\n%s", first.Bytes(), second.Bytes())
		}
	})
}
