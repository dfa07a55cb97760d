package agentapi

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/manifest"
)

// FuzzReceive lets a capture end with anything: what is taken is a manifest's head and the names that belong to it.
func FuzzReceive(f *testing.F) {
	const boundary = "b"
	part := func(name string, content []byte) []byte {
		return fmt.Appendf(nil, "--%s\r\nContent-Disposition: form-data; name=%q\r\n\r\n%s\r\n", boundary, name, content)
	}
	var names, encoded bytes.Buffer
	w := manifest.NewNamesWriter(&names)
	m := &manifest.Manifest{Disk: manifest.Disk{Size: 1 << 20, SectorSize: 512, Table: manifest.NoTable},
		Volumes: []manifest.Volume{{Length: 1 << 20, Kind: "raw", Order: manifest.Raw, Unit: 1}}}
	err := w.Add(manifest.Name{Size: 1 << 20})
	if err == nil {
		m.Names, m.NameCount, err = w.Close()
	}
	if err == nil {
		_, err = m.Encode(&encoded)
	}
	if err != nil {
		f.Fatal(err)
	}
	whole := bytes.Join([][]byte{part(job.PartManifest, encoded.Bytes()), part(job.PartNames, names.Bytes()), []byte("--b--\r\n")}, nil)
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add(bytes.ReplaceAll(whole, []byte("\r\n"), []byte("\n")))
	f.Add(part(job.PartNames, names.Bytes()))
	f.Add([]byte(`{"Manifest":""}`))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, body []byte) {
		r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
		r.Header.Set("Content-Type", "multipart/form-data; boundary="+boundary)
		d, err := (&Server{Spool: dir}).receive(httptest.NewRecorder(), r)
		if left, e := os.ReadDir(dir); e != nil || len(left) != 0 {
			t.Fatalf("left behind are %v, %v", left, e)
		}
		if err != nil {
			if bytes.Equal(body, whole) {
				t.Fatalf("a whole one is refused: %v", err)
			}
			return
		}
		defer d.close()
		if _, err := d.manifest.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		head, _, err := manifest.DecodeHead(d.manifest)
		if err != nil {
			t.Fatalf("a manifest was taken that is none: %v", err)
		}
		if _, err := d.names.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		if err := manifest.CheckNames(d.names, head); err != nil {
			t.Fatalf("names were taken that are not the manifest's: %v", err)
		}
	})
}
