package fleet

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"github.com/ardoise/ardoise/imaging/job"
)

// Columns of a list of computers. The first line names them, in any order; mac and tags hold several, with spaces between.
const (
	columnName   = "name"
	columnRoom   = "room"
	columnMAC    = "mac"
	columnUUID   = "uuid"
	columnSerial = "serial"
	columnTags   = "tags"
	columnNote   = "note"
)

func columns() []string {
	return []string{columnName, columnRoom, columnMAC, columnUUID, columnSerial, columnTags, columnNote}
}

// The bounds of a list that is imported.
const (
	maxSheet = 32 << 20 // bytes
	maxLines = 20_000
	maxWrong = 200 // lines that are named
)

// formula tells whether a spreadsheet would take a cell for a formula, or for something else than its text.
func formula(cell string) bool { return cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) }

// guard puts an apostrophe before what a spreadsheet would calculate, and before an apostrophe that could be taken for that.
func guard(cell string) string {
	if formula(cell) || strings.HasPrefix(cell, "'") {
		return "'" + cell
	}
	return cell
}

// unguard takes it off.
func unguard(cell string) string {
	if rest, ok := strings.CutPrefix(cell, "'"); ok && (formula(rest) || strings.HasPrefix(rest, "'")) {
		return rest
	}
	return cell
}

// SheetWriter writes lists as spreadsheets and ImportCSV read them: UTF-8 with a byte order mark, semicolons, as a French
// spreadsheet expects them. No cell is a formula.
type SheetWriter struct {
	b   *bufio.Writer
	out *csv.Writer
}

// NewSheetWriter begins a list. Close ends it, and has the errors of all that was written.
func NewSheetWriter(w io.Writer) *SheetWriter {
	b := bufio.NewWriter(w)
	_, _ = b.WriteString(byteOrderMark) // Close has the error
	s := &SheetWriter{b, csv.NewWriter(b)}
	s.out.Comma, s.out.UseCRLF = ';', true
	return s
}

// Write adds a line. The cells are changed: those that a spreadsheet would calculate get an apostrophe.
func (s *SheetWriter) Write(cells ...string) {
	for i := range cells {
		cells[i] = guard(cells[i])
	}
	_ = s.out.Write(cells) // Close has the error
}

// Close writes what is left of a list.
func (s *SheetWriter) Close() error {
	s.out.Flush()
	if err := errors.Join(s.out.Error(), s.b.Flush()); err != nil {
		return fmt.Errorf("writing the list: %w", err)
	}
	return nil
}

// ExportCSV writes a list of computers as ImportCSV reads it.
func ExportCSV(w io.Writer, computers []Computer) error {
	out := NewSheetWriter(w)
	out.Write(columns()...)
	for _, c := range computers {
		cells := []string{c.Name, c.Room, strings.Join(c.MACs, " "), c.Inventory.UUID, c.Inventory.Serial, strings.Join(c.Tags, " "), c.Note}
		if badUUID(cells[3]) {
			cells[3] = "" // it tells nobody who this is
		}
		if badSerial(cells[4]) {
			cells[4] = ""
		}
		if c.Room == "" && c.Site != "" {
			cells[1] = c.Site + "/"
		}
		out.Write(cells...)
	}
	return out.Close()
}

const byteOrderMark = "\ufeff"

// Import says how a list of computers is taken.
type Import struct {
	By     string
	Partly bool // take the right lines where others are wrong; else all are taken, or none
	Try    bool // say what would be done, and do nothing
	// May says whether a computer, as it is and with its site filled in, may be put into a room, "SITE/" or "" for none; nil:
	// everything may be done. A new computer has no id.
	May func(c Computer, room string) bool
}

// ImportReport says what an import did, or would do.
type ImportReport struct {
	Lines     int // without the first
	Changed   int
	Created   int // records of computers that are expected
	Unchanged int
	Wrong     []WrongLine // in order, at most 200
	WrongAll  int         // how many there are
	Done      bool        // it was kept
}

// WrongLine is a line that cannot be taken.
type WrongLine struct {
	Line   int // in the file, the first is 1
	Column string
	Code   Code
	Detail string
}

// sheet is a list as it was read.
type sheet struct {
	rows  []row
	wrong []WrongLine
	has   map[string]bool // columns
}

// row is one line. Columns that the list does not have are "".
type row struct {
	line int
	cell map[string]string
}

// ImportCSV takes a list of computers: known ones, found by MAC address, UUID, serial number or name, get the name, room,
// tags and note of their line; of unknown ones a record is made, so that whoever shows that address, UUID or serial number is
// proposed that name and room. Columns that are not there change nothing. The refusal of a list, or of its wrong lines, is a
// *RefusedError; the report is there with it.
func (f *Fleet) ImportCSV(ctx context.Context, r io.Reader, how Import) (ImportReport, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxSheet+1))
	if err != nil {
		return ImportReport{}, fmt.Errorf("reading the list: %w", err)
	}
	if len(text) > maxSheet {
		return ImportReport{}, refuse(CodeBadSheet, "", "it has more than %d MB", maxSheet>>20)
	}
	s, err := readSheet(text)
	if err != nil {
		return ImportReport{}, err
	}
	f.deciding.Lock()
	defer f.deciding.Unlock()
	im := importing{f: f, how: how, s: s, names: map[string]int{}, ids: map[string]int{}, left: map[string]map[string]bool{}}
	im.rep.Lines = len(s.rows) + len(s.wrong)
	for _, x := range s.rows {
		im.take(x)
	}
	im.swap()
	rep := im.report()
	switch {
	case rep.WrongAll == 1 && !how.Partly:
		return rep, refuse(CodeBadSheet, "", "line %d is wrong: %s", rep.Wrong[0].Line, rep.Wrong[0].Detail)
	case rep.WrongAll > 1 && !how.Partly:
		return rep, refuse(CodeBadSheet, "", "%d of %d lines are wrong: line %d: %s", rep.WrongAll, rep.Lines, rep.Wrong[0].Line, rep.Wrong[0].Detail)
	case how.Try || len(im.change.Computers) == 0:
		return rep, nil
	}
	im.change.Rooms = f.withdraw(im.left)
	if err := f.commit(ctx, im.change); err != nil {
		return rep, err
	}
	rep.Done = true
	return rep, nil
}

// readSheet reads a list. It takes what spreadsheets write: UTF-8 or Windows-1252, commas, semicolons or tabs.
func readSheet(text []byte) (sheet, error) {
	s := sheet{has: map[string]bool{}}
	text = bytes.TrimPrefix(text, []byte(byteOrderMark))
	if !utf8.Valid(text) {
		decoded, err := charmap.Windows1252.NewDecoder().Bytes(text)
		if err != nil {
			return s, refuse(CodeBadSheet, "", "it is neither UTF-8 nor Windows-1252")
		}
		text = decoded
	}
	if bytes.IndexByte(text, 0) >= 0 {
		return s, refuse(CodeBadSheet, "", "it is no text: export it as CSV")
	}
	first, _, _ := bytes.Cut(text, []byte("\n"))
	in := csv.NewReader(bytes.NewReader(text))
	in.FieldsPerRecord, in.ReuseRecord = -1, true
	for _, comma := range ";\t," {
		if in.Comma = comma; bytes.ContainsRune(first, comma) {
			break
		}
	}
	head, err := in.Read()
	if err != nil {
		return s, refuse(CodeBadSheet, "", "its first line must name the columns: %s", strings.Join(columns(), ", "))
	}
	var names []string
	for _, cell := range head {
		name := fold(strings.TrimSpace(cell))
		switch {
		case !slices.Contains(columns(), name):
			return s, refuse(CodeBadSheet, Clean(cell, 64), "its first line must name the columns: %s", strings.Join(columns(), ", "))
		case s.has[name]:
			return s, refuse(CodeBadSheet, name, "it has this column twice")
		}
		names = append(names, name)
		s.has[name] = true
	}
	return s, s.read(in, names)
}

// read reads the lines after the first.
func (s *sheet) read(in *csv.Reader, names []string) error {
	for {
		cells, err := in.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		var bad *csv.ParseError
		if errors.As(err, &bad) { // where a quotation is open, nothing says where the next line begins
			s.wrong = append(s.wrong, WrongLine{Line: bad.StartLine, Code: CodeBadSheet, Detail: bad.Err.Error()})
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the list: %w", err)
		}
		line, _ := in.FieldPos(0)
		if len(s.rows)+len(s.wrong) >= maxLines {
			return refuse(CodeBadSheet, "", "it has more than %d lines", maxLines)
		}
		r := row{line: line, cell: map[string]string{}}
		for i, cell := range cells[:min(len(cells), len(names))] {
			r.cell[names[i]] = strings.TrimSpace(unguard(cell))
		}
		empty := !slices.ContainsFunc(cells, func(c string) bool { return strings.TrimSpace(c) != "" })
		switch {
		case empty:
		case len(cells) != len(names):
			s.wrong = append(s.wrong, WrongLine{Line: line, Code: CodeBadSheet,
				Detail: fmt.Sprintf("it has not as many cells as the first line: %d, not %d", len(cells), len(names))})
		default:
			s.rows = append(s.rows, r)
		}
	}
}

// importing is an import under way. The fleet's deciding is held.
type importing struct {
	f      *Fleet
	how    Import
	s      sheet
	rep    ImportReport
	change Change
	lines  []int                      // of change.Computers
	names  map[string]int             // name, folded -> line that gives it
	ids    map[string]int             // computer -> line that means it
	left   map[string]map[string]bool // room, folded -> ids of who leaves it
}

// take judges one line, and adds what it changes.
func (im *importing) take(x row) {
	wrong := func(column string, code Code, format string, args ...any) {
		im.s.wrong = append(im.s.wrong, WrongLine{Line: x.line, Column: column, Code: code, Detail: fmt.Sprintf(format, args...)})
	}
	shown, bad := x.shown()
	if bad != "" {
		wrong(bad, CodeBadSheet, "%q is no %s", Clean(x.cell[bad], 64), bad)
		return
	}
	c, known, refused := im.means(x, shown)
	if refused != nil {
		wrong("", refused.Code, "%s", refused.Detail)
		return
	}
	if other, twice := im.ids[c.ID]; known && twice {
		wrong("", CodeBadSheet, "line %d is about the same computer", other)
		return
	}
	old := c
	if !known {
		id, err := im.f.random(5)
		if err != nil {
			wrong("", CodeBadSheet, "%v", err)
			return
		}
		c = Computer{ID: "c" + id, State: Enrolled, Created: im.f.o.Now().UTC(), MACs: shown.macs, Inventory: x.inventory()}
	}
	if column, refused := im.fill(x, &c); refused != nil {
		wrong(column, refused.Code, "%s", refused.Detail)
		return
	}
	if im.how.May != nil {
		was := old
		was.Site = im.f.siteOf(&old)
		to := c.Room
		if to == "" && c.Site != "" {
			to = c.Site + "/"
		}
		if !im.how.May(was, to) {
			wrong("", CodeNoComputer, "it is not yours to change")
			return
		}
	}
	im.ids[c.ID] = x.line
	if known && old.Name == c.Name && old.Room == c.Room && (c.Room != "" || old.Site == c.Site) && slices.Equal(old.Tags, c.Tags) && old.Note == c.Note {
		im.rep.Unchanged++
		return
	}
	im.lines = append(im.lines, x.line)
	im.change.Computers = append(im.change.Computers, c)
}

// shown is what a line says that its computer shows; or the column that cannot be.
func (x row) shown() (t traits, bad string) {
	for _, m := range strings.FieldsFunc(x.cell[columnMAC], func(r rune) bool { return r == ' ' || r == ',' || r == '|' }) {
		mac := NormalMAC(m)
		if mac == "" {
			return t, columnMAC
		}
		if !slices.Contains(t.macs, mac) {
			t.macs = append(t.macs, mac)
		}
	}
	if len(t.macs) > maxNICs {
		return t, columnMAC
	}
	if u := fold(x.cell[columnUUID]); u != "" {
		if badUUID(u) {
			return t, columnUUID
		}
		t.uuid = u
	}
	if s := x.cell[columnSerial]; s != "" {
		if badSerial(s) || Clean(s, maxString) != s {
			return t, columnSerial
		}
		t.serial = s
	}
	return t, ""
}

// inventory is what is known of a computer that nobody has seen.
func (x row) inventory() job.Inventory {
	return job.Inventory{UUID: fold(x.cell[columnUUID]), Serial: x.cell[columnSerial]}
}

// means finds the computer that a line is about: by address, UUID, serial number, then by name. What contradicts is refused.
func (im *importing) means(x row, shown traits) (Computer, bool, *RefusedError) {
	found := im.f.computers.showing(traits{uuid: shown.uuid, macs: shown.macs})
	if len(found) == 0 && shown.serial != "" {
		found = im.f.computers.showing(traits{serial: fold(shown.serial)})
	}
	if len(found) > 1 { // docks are handed around: of those that show an address, the one with the UUID, or the name
		for _, c := range found {
			if shown.uuid != "" && fold(c.Inventory.UUID) == shown.uuid || shown.uuid == "" && strings.EqualFold(c.Name, x.cell[columnName]) {
				found = []*Computer{c}
				break
			}
		}
	}
	if c, ok := im.f.byName(x.cell[columnName]); len(found) == 0 && ok {
		if len(shown.names()) > 0 && len(traitsOf(c.Inventory, c.MACs).names()) > 0 {
			return Computer{}, false, refuse(CodeNameTaken, "", "the computer called %s shows other addresses and numbers", c.Name)
		}
		found = append(found, &c)
	}
	switch {
	case len(found) > 1:
		return Computer{}, false, refuse(CodeSeveral, "", "it fits %d computers", len(found))
	case len(found) == 1 && found[0].State != Enrolled:
		return Computer{}, false, refuse(CodeNotEnrolled, "", "its computer is %s", found[0].State)
	case len(found) == 1:
		return *found[0], true, nil
	case shown.uuid == "" && shown.serial == "" && len(shown.macs) == 0:
		return Computer{}, false, refuse(CodeNoComputer, "", "no computer is called %q, and the line does not say how to know it", Clean(x.cell[columnName], 64))
	case x.cell[columnName] == "":
		return Computer{}, false, refuse(CodeBadName, "", "a computer that is not known yet needs a name")
	}
	return Computer{}, false, nil
}

// fill puts a line's cells into a record.
func (im *importing) fill(x row, c *Computer) (column string, wrong *RefusedError) {
	if name := x.cell[columnName]; name != "" {
		if !validName(name) {
			return columnName, refuse(CodeBadName, "", "%q is no name for a computer", Clean(name, 64))
		}
		if line, twice := im.names[fold(name)]; twice {
			return columnName, refuse(CodeNameTaken, "", "line %d gives the name %s, too", line, name)
		}
		im.names[fold(name)] = x.line
		c.Name = name
	}
	if im.s.has[columnRoom] {
		site, room := "", ""
		switch name := x.cell[columnRoom]; {
		case name == "":
			if site = c.Site; c.Room != "" { // who leaves a room stays in its site
				site = SiteOf(c.Room)
			}
		case localName(name) == "":
			s, ok := im.f.sites[fold(SiteOf(name))]
			if !ok {
				return columnRoom, refuse(CodeNoSite, "", "there is no site %q", Clean(SiteOf(name), 64))
			}
			site = s.Name
		default:
			r, ok := im.f.rooms[fold(name)]
			if !ok {
				return columnRoom, refuse(CodeNoRoom, "", "there is no room %q", Clean(name, 64))
			}
			room, site = r.Name, SiteOf(r.Name)
		}
		c.Room, c.Site = room, site
	}
	if im.s.has[columnTags] {
		tags := strings.FieldsFunc(x.cell[columnTags], func(r rune) bool { return r == ' ' || r == ',' || r == '|' })
		for _, t := range tags {
			if !validTag(t) {
				return columnTags, refuse(CodeBadTag, "", "%q is no tag", Clean(t, 64))
			}
		}
		if c.Tags = retag(nil, tags, nil); len(c.Tags) > maxTags {
			return columnTags, refuse(CodeBadTag, "", "a computer has at most %d tags", maxTags)
		}
	}
	if im.s.has[columnNote] {
		if utf8.RuneCountInString(x.cell[columnNote]) > maxNote {
			return columnNote, refuse(CodeBadNote, "", "a note has at most %d characters", maxNote)
		}
		c.Note = cleanText(x.cell[columnNote])
	}
	return "", nil
}

// swap judges the names once all lines are known: one may take the name that another gives up. It makes the events.
func (im *importing) swap() {
	f := im.f
	taker, refused := map[string]int{}, make([]bool, len(im.lines)) // name, folded -> who is to have it
	for i, c := range im.change.Computers {
		taker[fold(c.Name)] = i
	}
	free := func(i int) bool { // that line's computer gives up its name
		old, known := f.computers.get(im.change.Computers[i].ID)
		return known && !refused[i] && !strings.EqualFold(old.Name, im.change.Computers[i].Name)
	}
	at := map[string]int{} // computer -> its place
	for i, c := range im.change.Computers {
		at[c.ID] = i
	}
	for i := range im.change.Computers {
		// Who is refused keeps his name, so that whoever was to have that is refused, too.
		for i, more := i, true; more && !refused[i]; {
			c := im.change.Computers[i]
			other, taken := f.byName(c.Name)
			place, moves := at[other.ID]
			if !taken || other.ID == c.ID || moves && free(place) {
				break
			}
			refused[i] = true
			im.s.wrong = append(im.s.wrong, WrongLine{Line: im.lines[i], Column: columnName, Code: CodeNameTaken,
				Detail: fmt.Sprintf("another computer is called %s", c.Name)})
			old, _ := f.computers.get(c.ID)
			i, more = taker[fold(old.Name)], old.ID != ""
			if _, there := taker[fold(old.Name)]; !there {
				break
			}
		}
	}
	var kept []Computer
	for i, c := range im.change.Computers {
		if !refused[i] {
			kept = append(kept, c)
		}
	}
	im.change.Computers = kept
	for _, c := range im.change.Computers {
		old, known := f.computers.get(c.ID)
		if known {
			im.rep.Changed++
		} else {
			im.rep.Created++
		}
		if old.Room != "" && old.Room != c.Room {
			if im.left[fold(old.Room)] == nil {
				im.left[fold(old.Room)] = map[string]bool{}
			}
			im.left[fold(old.Room)][c.ID] = true
		}
		im.change.Events = append(im.change.Events, f.event("imported", Info, c, Task{}, "from a list, by %s", Clean(im.how.By, 64)))
	}
}

// report is what came of it.
func (im *importing) report() ImportReport {
	slices.SortStableFunc(im.s.wrong, func(a, b WrongLine) int { return a.Line - b.Line })
	im.rep.WrongAll = len(im.s.wrong)
	im.rep.Wrong = im.s.wrong[:min(len(im.s.wrong), maxWrong)]
	return im.rep
}
