package web

import (
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/net/html"

	"github.com/ardoise/ardoise/console/web/words"
)

// templateAction is what html/template replaces.
var templateAction = regexp.MustCompile(`(?s)\{\{.*?\}\}`)

// attribute is one that a template of its own adds to an element.
var attribute = regexp.MustCompile(` [a-z-]+="[^"]*"`)

// bare tells whether a text of a template says something that no table holds. Names, units and
// what stands in a <code> are the same in every language.
func bare(s string) bool {
	s = attribute.ReplaceAllString(templateAction.ReplaceAllString(s, " "), "")
	for word := range strings.FieldsSeq(s) {
		if !slices.Contains([]string{"Ardoise", "v", "Mb/s", "BLAKE3", "name,room,mac,uuid,serial,tags,note"}, word) && strings.ContainsFunc(word, unicode.IsLetter) {
			return true
		}
	}
	return false
}

// untranslated finds the texts of a template, and of those attributes that people read, that are in no table.
func untranslated(source string) (found []string) {
	z := html.NewTokenizer(strings.NewReader(templateAction.ReplaceAllStringFunc(source, func(a string) string {
		return strings.NewReplacer(`"`, "", "<", "", ">", "").Replace(a) // quotes of an action would end an attribute
	})))
	code := 0
	for {
		kind := z.Next()
		if kind == html.ErrorToken {
			return found
		}
		token := z.Token()
		switch {
		case kind == html.StartTagToken && token.Data == "code":
			code++
		case kind == html.EndTagToken && token.Data == "code":
			code--
		}
		if kind == html.TextToken && code == 0 && bare(token.Data) {
			found = append(found, strings.TrimSpace(token.Data))
		}
		for _, a := range token.Attr {
			switch a.Key {
			case "title", "aria-label", "placeholder", "alt", "data-on", "data-off", "data-one", "data-many", "data-says", "data-help":
				if bare(a.Val) {
					found = append(found, a.Key+"="+a.Val)
				}
			}
		}
	}
}

func TestEveryTextOfATemplateIsInTheTables(t *testing.T) {
	if got := untranslated(`{{define "x"}}<p title="{{t "a.b"}}">{{t "c"}} · <b aria-label="Close">Save</b></p>{{end}}`); len(got) != 2 {
		t.Fatalf("the test itself finds %q", got)
	}
	check(t, fs.WalkDir(templateFiles, "templates", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := templateFiles.ReadFile(path)
		if err != nil {
			return err
		}
		for _, text := range untranslated(string(raw)) {
			t.Errorf("%s: %q is no text of package words: it has one language only", path, text)
		}
		if strings.Contains(string(raw), " style=") || strings.Contains(string(raw), "<style") || strings.Contains(string(raw), " onclick=") {
			t.Errorf("%s has an inline style or script: the policy runs none", path)
		}
		return nil
	}))
}

// sourcesOf are the templates and the Go files of this package, one text.
func sourcesOf(t *testing.T) string {
	var all strings.Builder
	for _, glob := range []string{"templates/*.html", "templates/*/*.html"} {
		names, err := fs.Glob(templateFiles, glob)
		check(t, err)
		for _, name := range names {
			raw, err := templateFiles.ReadFile(name)
			check(t, err)
			all.Write(raw)
		}
	}
	names, err := fs.Glob(os.DirFS("."), "*.go")
	check(t, err)
	for _, name := range names {
		if !strings.HasSuffix(name, "_test.go") {
			raw, err := os.ReadFile(name)
			check(t, err)
			all.Write(raw)
		}
	}
	return all.String()
}

func TestEveryKeyHasBothLanguagesAndAReader(t *testing.T) {
	source := strings.ReplaceAll(sourcesOf(t), `{{t "key" args}} or {{n "key" number}}`, "") // doc.go
	all := words.All()
	for _, m := range regexp.MustCompile(`(?:\{\{|\()\s*[tn] "([a-z0-9.-]+)"`).FindAllStringSubmatch(source, -1) {
		if _, ok := all[m[1]]; !ok {
			t.Errorf("a template asks for %q, which no table has", m[1])
		}
	}
	for _, m := range regexp.MustCompile(`(?:say|count|flash)\("([a-z0-9.-]+)"[,)]`).FindAllStringSubmatch(source, -1) {
		if _, ok := all[m[1]]; !ok {
			t.Errorf("a handler asks for %q, which no table has", m[1])
		}
	}
	said := map[string]bool{} // without a number
	for _, m := range regexp.MustCompile(`(?:(?:\{\{|\()\s*t |(?:say|flash)\()"([a-z0-9.-]+)"`).FindAllStringSubmatch(source, -1) {
		said[m[1]] = true
	}
	places := regexp.MustCompile(`\{[0-9n]\}`)
	for k, p := range all {
		if strings.TrimSpace(p.French) == "" || strings.TrimSpace(p.English) == "" {
			t.Errorf("%s lacks a language", k)
		}
		if strings.Contains(p.French, "|") != strings.Contains(p.English, "|") {
			t.Errorf("%s counts in one language only", k)
		}
		if strings.Contains(p.French, "|") && said[k] {
			t.Errorf("%s counts, and is asked for without a number", k)
		}
		fr, en := map[string]bool{}, map[string]bool{}
		for _, x := range places.FindAllString(p.French, -1) {
			fr[x] = true
		}
		for _, x := range places.FindAllString(p.English, -1) {
			en[x] = true
		}
		if len(fr) != len(en) {
			t.Errorf("%s has other arguments in French (%q) than in English (%q)", k, p.French, p.English)
		}
		if !asked(source, k) {
			t.Errorf("nobody asks for %s", k)
		}
	}
}

// asked tells whether something asks for a key: by itself, as a hint, or by a family that the code adds a word to.
func asked(source, key string) bool {
	if strings.Contains(source, `"`+key+`"`) || strings.Contains(source, `hint:`+key+`"`) {
		return true
	}
	for i, r := range key {
		if r == '.' && (strings.Contains(source, `"`+key[:i+1]+`"`) || strings.Contains(source, `"`+key[i:]+`"`)) {
			return true
		}
	}
	return false
}

func TestWordsCountAsEachLanguageDoes(t *testing.T) {
	for _, tt := range []struct {
		lang string
		n    int
		want string
	}{{"fr", 0, "0 poste"}, {"fr", 1, "1 poste"}, {"fr", 2, "2 postes"}, {"en", 0, "0 computers"}, {"en", 1, "1 computer"}, {"fr", 15000, "15\u202f000 postes"}, {"en", 15000, "15,000 computers"}} {
		if got := words.Count(tt.lang, "n.computers", tt.n); got != tt.want {
			t.Errorf("%d in %s is %q, want %q", tt.n, tt.lang, got, tt.want)
		}
	}
	if got := words.Say("en", "job.by", "{1}", "now"); got != "by {1}, now" {
		t.Errorf("an argument that looks like a place became %q", got)
	}
}
