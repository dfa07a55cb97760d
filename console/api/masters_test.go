package api_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/api"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/export"
	"github.com/ardoise/ardoise/masters/manifest"
	"github.com/ardoise/ardoise/masters/sign"
	"github.com/ardoise/ardoise/masters/storetest"
)

// published puts a version of noise into a library.
func published(t *testing.T, lib *masters.Library, n int) masters.Version {
	t.Helper()
	ids, frames := storetest.Frames(t, n, 5)
	ing, err := lib.Begin(t.Context())
	check(t, err)
	defer ing.Close()
	check(t, ing.Put(t.Context(), frames))
	var names bytes.Buffer
	w := manifest.NewNamesWriter(&names)
	m := &manifest.Manifest{Disk: manifest.Disk{Size: 1 << 30, SectorSize: 512, Table: manifest.NoTable}}
	var end int64
	for i, f := range frames {
		m.Chunks.Append(manifest.Entry{ID: ids[i], Length: f.Length, Stream: uint32(i), Pieces: []manifest.Piece{{Length: f.Length, Offset: end}}})
		end += int64(f.Length)
		check(t, w.Add(manifest.Name{Stream: uint32(i), Path: fmt.Sprintf("file %d", i), Size: int64(f.Length)}))
	}
	m.Names, m.NameCount, err = w.Close()
	check(t, err)
	m.Volumes = []manifest.Volume{{Length: 1 << 30, Kind: "raw", Order: manifest.Raw, Unit: 1, Used: end}}
	v, err := ing.Publish(t.Context(), "salle", masters.Meta{Author: "marie"}, m, bytes.NewReader(names.Bytes()))
	check(t, err)
	return v
}

// elsewhere is another site's library, its version, and that version's export.
func elsewhere(t *testing.T, n int) (*masters.Library, masters.Version, []byte) {
	t.Helper()
	lib, err := masters.Open(t.TempDir(), masters.Options{})
	check(t, err)
	t.Cleanup(func() { check(t, lib.Close()) })
	v := published(t, lib, n)
	path := filepath.Join(t.TempDir(), "x")
	_, err = export.Write(t.Context(), lib, v.Hash, path, export.Options{})
	check(t, err)
	raw, err := os.ReadFile(path)
	check(t, err)
	return lib, v, raw
}

// clients are the ways to give an order: over the socket, and inside a command.
func clients(t *testing.T) map[string]*api.Client {
	t.Helper()
	lib, err := masters.Open(t.TempDir(), masters.Options{})
	check(t, err)
	local, stop := api.Local(&api.Server{House: &access.House{Masters: lib}}, "marie")
	t.Cleanup(func() { check(t, errors.Join(stop(), lib.Close())) })
	return map[string]*api.Client{"over the socket": newSite(t).client, "inside a command": local}
}

// A refusal must reach who is still sending: not a broken pipe.
func TestARefusalOfAnImportIsHeardWhileItIsSent(t *testing.T) {
	lib, v, raw := elsewhere(t, 150)
	fingerprint, err := sign.Fingerprint(lib.Key().Public())
	check(t, err)
	for name, c := range clients(t) {
		t.Run(name, func(t *testing.T) {
			for range 3 {
				_, err := c.Import(t.Context(), bytes.NewReader(raw), int64(len(raw)), "", nil)
				wantCode(t, "an import of another site's", err, 409, "foreign-key")
				var e *access.Error
				if errors.As(err, &e) && (e.What != v.String() || e.Detail != fingerprint) {
					t.Errorf("the refusal is %+v", e)
				}
			}
			_, err := c.Import(t.Context(), bytes.NewReader(raw[:len(raw)-1]), int64(len(raw)-1), "", []string{fingerprint})
			wantCode(t, "a file cut short", err, 409, "bad-file")
			in, err := c.Import(t.Context(), bytes.NewReader(raw), int64(len(raw)), "", []string{fingerprint})
			if err != nil || in.Hash != v.Hash.String() || in.NewBytes != 0 || in.ReadBytes != int64(len(raw)) {
				t.Errorf("import = %+v, %v, want nothing stored twice", in, err)
			}
		})
	}
}

func TestAVersionIsReadThroughAClient(t *testing.T) {
	lib, v, raw := elsewhere(t, 150)
	fingerprint, err := sign.Fingerprint(lib.Key().Public())
	check(t, err)
	for name, c := range clients(t) {
		t.Run(name, func(t *testing.T) {
			_, err := c.Import(t.Context(), bytes.NewReader(raw), int64(len(raw)), "", []string{fingerprint})
			check(t, err)
			path := filepath.Join(t.TempDir(), "y")
			r, err := export.Write(t.Context(), c, v.Hash, path, export.Options{})
			if err != nil || r.Frames != 150 {
				t.Fatalf("export through a client = %+v, %v", r, err)
			}
			m, err := lib.Open(v)
			check(t, err)
			storetest.Prove(t, c, export.Chunks(m))
			err = c.Fetch(t.Context(), []chunk.ID{{1}}, func(chunk.Frame) error { return nil })
			wantCode(t, "a chunk that is not there", err, 409, "damaged-chunk")
			if err := c.Fetch(t.Context(), export.Chunks(m), func(chunk.Frame) error { return io.EOF }); err != io.EOF {
				t.Errorf("Fetch = %v, want the error of yield", err)
			}
			_, _, err = c.Manifest(manifest.Hash{1})
			wantCode(t, "a manifest that is not there", err, 404, "no-master")
			_, err = c.Names(manifest.Hash{1})
			wantCode(t, "names that are not there", err, 404, "no-master")
		})
	}
}

// At night versions go that no rule keeps and nobody needs; what a task waits for or runs stays, and each one that went is
// written down for people.
func TestTheNightForgetsWhatNobodyNeeds(t *testing.T) {
	s := newSite(t)
	for n := range 5 {
		published(t, s.library, 1+n)
	}
	_, err := s.client.Approve(t.Context(), access.Approve{Code: s.pending(t, "key", "52:54:00:00:00:01"), Name: "pc1"})
	check(t, err)
	_, err = s.client.Channel(t.Context(), "promote", "salle@1", "stable")
	check(t, err)
	j, err := s.client.Order(t.Context(), access.Order{Kind: job.KindDeploy, Computers: []string{"pc1"}, Master: "salle@2"})
	check(t, err)
	r, err := s.client.Retain(t.Context(), "salle", access.MasterChange{KeepLast: 1})
	check(t, err)
	stays := ""
	for _, v := range r.Versions {
		stays += fmt.Sprintf("%s %v %s; ", v.Version, v.Kept, strings.Join(v.Why, ", "))
	}
	want := "salle@1 true channel stable; salle@2 true job 1 puts it on pc1; salle@3 false ; salle@4 false ; salle@5 true among the last; "
	if stays != want || r.Done || r.Rule == nil {
		t.Errorf("retain says %s, want %s", stays, want)
	}
	server := access.House{Fleet: s.fleet, Masters: s.library}
	check(t, server.ApplyRules(t.Context(), time.Now().Add(-time.Hour))) // it was set since
	if all, err := s.client.Masters(t.Context()); err != nil || len(all) != 5 {
		t.Errorf("before its first night the rule left %d versions, %v", len(all), err)
	}
	// The job waits; then it runs; then it is over.
	for step, left := range []int{3, 3, 2} {
		switch step {
		case 1:
			e, err := s.fleet.Next(t.Context(), "key")
			if err != nil || e == nil {
				t.Fatalf("Next = %v, %v", e, err)
			}
		case 2:
			_, err := s.fleet.Report(t.Context(), "key", job.Report{Task: j.ID + "-1", State: job.TaskFailed,
				Outcome: &job.Outcome{Code: "disk-fault"}})
			check(t, err)
		}
		check(t, server.ApplyRules(t.Context(), time.Now().Add(time.Hour)))
		if all, err := s.client.Masters(t.Context()); err != nil || len(all) != left {
			t.Errorf("in night %d %d versions are left, %v, want %d", step, len(all), err, left)
		}
	}
	told := []string{}
	events, err := s.client.Events(t.Context(), "", "")
	check(t, err)
	for _, e := range events {
		if e.Kind == "forgotten" {
			told = append(told, e.Detail[:len("salle@1")])
		}
	}
	slices.Sort(told)
	if !slices.Equal(told, []string{"salle@2", "salle@3", "salle@4"}) {
		t.Errorf("events tell of %v", told)
	}
}

// What a waiting job needs cannot be forgotten, and what was forgotten meanwhile cannot be ordered.
func TestForgettingAndOrdering(t *testing.T) {
	s := newSite(t)
	lib, v, raw := elsewhere(t, 2)
	fingerprint, err := sign.Fingerprint(lib.Key().Public())
	check(t, err)
	_, err = s.client.Import(t.Context(), bytes.NewReader(raw), int64(len(raw)), "", []string{fingerprint})
	check(t, err)
	_, err = s.client.Approve(t.Context(), access.Approve{Code: s.pending(t, "key", "52:54:00:00:00:01"), Name: "pc1"})
	check(t, err)
	order := access.Order{Kind: job.KindDeploy, Computers: []string{"pc1"}, Master: "salle"}
	j, err := s.client.Order(t.Context(), order)
	check(t, err)
	_, err = s.client.Forget(t.Context(), v.String())
	wantCode(t, "forgetting what a job needs", err, 409, "master-needed")
	_, err = s.client.Cancel(t.Context(), j.ID, false)
	check(t, err)
	_, err = s.client.Forget(t.Context(), v.String())
	check(t, err)
	_, err = s.client.Order(t.Context(), order)
	wantCode(t, "ordering what was forgotten", err, 404, "no-master")
}
