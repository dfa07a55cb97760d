package house

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// texts calls visit with every text file of the project.
func texts(t *testing.T, visit func(path, text string)) {
	t.Helper()
	dir := root(t)
	err := walk(dir, func(path string) error {
		if path == "go.sum" {
			return nil
		}
		content, err := os.ReadFile(filepath.Join(dir, path))
		if err != nil {
			return err
		}
		if len(content) < 4<<20 && utf8.Valid(content) && !bytes.ContainsRune(content, 0) {
			visit(path, string(content))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// allowedHost lists what a URL in this project may point to: the licence's own text, the reserved example domains,
// XML name spaces and the machine itself. Addresses of IANA's documentation ranges are for tests.
func allowedHost(host string) bool {
	for _, allowed := range []string{"www.apache.org", "localhost", "www.w3.org"} {
		if host == allowed {
			return true
		}
	}
	return regexp.MustCompile(`^[0-9.:\[\]a-f%]*$|(^|\.)example(\.(org|com|net))?$|\.(test|invalid|lan)$`).MatchString(host)
}

func TestProjectPointsNowhereOutside(t *testing.T) {
	url := regexp.MustCompile(`\b(?:https?|ftp|git|ssh)://([A-Za-z0-9.-]+\.[A-Za-z]{2,})(?:[:/"'\s)>]|$)`)
	texts(t, func(path, text string) {
		for _, found := range url.FindAllStringSubmatch(text, -1) {
			if !allowedHost(found[1]) {
				t.Errorf("%s names %s: the project must build and read the same where that host is unreachable or gone; "+
					"name the document and its section, or take the address from the machine's own settings", path, found[0])
			}
		}
	})
}

func TestNoPathOfOneMachine(t *testing.T) {
	dir := root(t)
	home := regexp.MustCompile(`/(?:home|Users)/[a-z][a-z0-9_-]*/`)
	texts(t, func(path, text string) {
		if strings.Count(dir, "/") > 1 && strings.Contains(text, dir) {
			t.Errorf("%s names %s, where this checkout lies: it lies elsewhere on the next machine; use a path from the "+
				"root of the checkout", path, dir)
		}
		if found := home.FindString(text); found != "" {
			t.Errorf("%s names %s: nobody else has that folder", path, found)
		}
	})
}

func TestNothingIsLeftForLater(t *testing.T) {
	later := regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`)
	texts(t, func(path, text string) {
		if !strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, ".md") && path != "Makefile" {
			return
		}
		for i, line := range strings.Split(text, "\n") {
			if word := later.FindString(line); word != "" {
				t.Errorf("%s:%d: %s: a note to oneself is read by nobody; do it, or write down in DESIGN.md what does not work",
					path, i+1, word)
			}
		}
	})
}
