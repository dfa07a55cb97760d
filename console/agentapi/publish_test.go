package agentapi_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters"
	"github.com/ardoise/ardoise/masters/manifest"
	"github.com/ardoise/ardoise/masters/storetest"
)

const (
	boundary  = "ardoise-test-boundary"
	partsType = "multipart/form-data; boundary=" + boundary
)

// part is one part of the end of a capture.
func part(name string, content []byte) []byte {
	return fmt.Appendf(nil, "--%s\r\nContent-Disposition: form-data; name=%q\r\n\r\n%s\r\n", boundary, name, content)
}

// parts is the end of a capture.
func parts(encoded, names []byte) []byte {
	return bytes.Join([][]byte{part(job.PartManifest, encoded), part(job.PartNames, names), []byte("--" + boundary + "--\r\n")}, nil)
}

// What ends a capture comes from a computer: nothing of it is believed, nothing of it is left behind, and why it is
// refused is heard though it was still being sent.
func TestTheEndOfACaptureIsProvenWhileItComes(t *testing.T) {
	s := newSite(t)
	_, frames := storetest.Frames(t, 3, 1)
	encoded, names := described(t, frames)
	_, others := described(t, frames[:2])
	a := s.agent()
	a.enrol(hello(1), "pc")
	s.capture("pc", "m")
	path := job.PathCapture + a.task().ID
	a.call(http.MethodPost, path+"/frames", packed(frames...))
	altered := bytes.Clone(names)
	altered[len(altered)/2] ^= 1
	old := bytes.Clone(encoded)
	old[8] = 0
	whole := parts(encoded, names)
	much := bytes.Repeat([]byte("x"), 8<<20)
	for name, c := range map[string]struct {
		body []byte
		code string
	}{
		"no manifest":                                   {parts([]byte("x"), names), "damaged"},
		"no manifest, and much behind it":               {parts([]byte("x"), much), "damaged"},
		"a manifest of format 0":                        {parts(old, names), "damaged"},
		"a manifest cut short":                          {parts(encoded[:len(encoded)-1], names), "damaged"},
		"the names of another one":                      {parts(encoded, others), "damaged"},
		"altered names":                                 {parts(encoded, altered), "damaged"},
		"names cut short":                               {parts(encoded, names[:len(names)-1]), "damaged"},
		"names with something behind them":              {parts(encoded, append(bytes.Clone(names), much...)), "damaged"},
		"no names":                                      {parts(encoded, nil), "damaged"},
		"the parts the other way round":                 {bytes.Join([][]byte{part(job.PartNames, names), whole}, nil), "bad-request"},
		"a third part":                                  {bytes.Join([][]byte{part(job.PartManifest, encoded), part(job.PartNames, names), whole}, nil), "bad-request"},
		"a body cut short in the manifest":              {whole[:len(encoded)], "bad-request"},
		"a body cut short in the names":                 {whole[:len(whole)-len(names)], "damaged"},
		"a body without its end":                        {whole[:len(whole)-4], "bad-request"},
		"a body that says nothing":                      {nil, "bad-request"},
		"JSON":                                          {[]byte(`{"Manifest":"AA=="}`), "bad-request"},
		"a part of another name":                        {bytes.Join([][]byte{part("x", encoded), whole}, nil), "bad-request"},
		"headers without an end":                        {[]byte("--" + boundary + "\r\nX: " + strings.Repeat("x", 1<<20)), "bad-request"},
		"only the first part, and its boundary":         {part(job.PartManifest, encoded), "bad-request"},
		"a boundary and then something that is no part": {[]byte("--" + boundary + "\r\n\r\n\r\n\r\n"), "bad-request"},
	} {
		t.Run(name, func(t *testing.T) {
			status, p := a.problem(http.MethodPost, path+"/publish", c.body)
			if status != http.StatusBadRequest || p.Code != c.code {
				t.Errorf("publish = %d %+v, want 400 %s", status, p, c.code)
			}
		})
	}
	if left, err := filepath.Glob(filepath.Join(s.dir, ".publish-*")); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	done := must[job.Published](a, http.MethodPost, path+"/publish", whole)
	hash, err := manifest.ParseHash(done.Hash)
	check(t, err)
	kept, err := s.library.Names(hash)
	check(t, err)
	defer kept.Close()
	m, err := s.library.Open(masters.Version{Name: "m", Number: 1, Hash: hash})
	check(t, err)
	check(t, manifest.CheckNames(kept, m))
}

// A full disk is no fault of the capture: the computer is told so, and may try again once there is room.
func TestAServerWithoutRoomSaysSo(t *testing.T) {
	s := newSite(t)
	_, frames := storetest.Frames(t, 3, 1)
	encoded, names := described(t, frames)
	a := s.agent()
	a.enrol(hello(1), "pc")
	s.capture("pc", "m")
	path := job.PathCapture + a.task().ID
	a.call(http.MethodPost, path+"/frames", packed(frames...))
	check(t, os.Rename(s.dir, s.dir+".away")) // nothing can be made there
	status, p := a.problem(http.MethodPost, path+"/publish", parts(encoded, names))
	check(t, os.Rename(s.dir+".away", s.dir))
	if status != http.StatusInternalServerError || p.Code != "internal" {
		t.Errorf("publish = %d %+v, want 500", status, p)
	}
	if done := must[job.Published](a, http.MethodPost, path+"/publish", parts(encoded, names)); done.Version != 1 {
		t.Errorf("published %+v", done)
	}
}
