package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"net/http"
	"path"
	"strings"

	"github.com/klauspost/compress/zstd"
)

//go:embed static
var staticFiles embed.FS

//go:embed templates
var templateFiles embed.FS

// asset is a file that browsers keep: its name changes with its content.
type asset struct {
	kind             string
	plain, gzip, zst []byte
}

// assets are the static files by the name they are served under, and those names by file name.
type assets struct {
	byPath map[string]asset
	url    map[string]string
}

// loadAssets compresses what is embedded, once.
func loadAssets() (assets, error) {
	out := assets{byPath: map[string]asset{}, url: map[string]string{}}
	entries, err := staticFiles.ReadDir("static")
	if err != nil {
		return out, fmt.Errorf("listing the console's files: %w", err)
	}
	kinds := map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return out, fmt.Errorf("compressing the console's files: %w", err)
	}
	for _, e := range entries {
		ext := path.Ext(e.Name())
		kind := kinds[ext]
		if kind == "" {
			continue // a licence
		}
		plain, err := staticFiles.ReadFile("static/" + e.Name())
		if err != nil {
			return out, fmt.Errorf("reading the console's files: %w", err)
		}
		sum := sha256.Sum256(plain)
		url := "/static/" + strings.TrimSuffix(e.Name(), ext) + "." + hex.EncodeToString(sum[:6]) + ext
		out.url[e.Name()] = url
		out.byPath[url] = asset{kind: kind, plain: plain, gzip: gzipped(plain, gzip.BestCompression), zst: enc.EncodeAll(plain, nil)}
	}
	return out, nil
}

func gzipped(b []byte, level int) []byte {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, level)
	if err != nil {
		panic(err) // a level of ours that there is not
	}
	_, _ = w.Write(b) // into memory
	_ = w.Close()
	return out.Bytes()
}

// accepts tells whether a browser takes an encoding; q=0 is said by none, and would cost it only an error.
func accepts(r *http.Request, encoding string) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, q, _ := strings.Cut(part, ";")
		if strings.TrimSpace(name) == encoding && strings.ReplaceAll(q, " ", "") != "q=0" {
			return true
		}
	}
	return false
}

func (a assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	file, ok := a.byPath[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", file.kind)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Vary", "Accept-Encoding")
	body := file.plain
	switch {
	case accepts(r, "zstd"):
		h.Set("Content-Encoding", "zstd")
		body = file.zst
	case accepts(r, "gzip"):
		h.Set("Content-Encoding", "gzip")
		body = file.gzip
	}
	h.Set("Content-Length", fmt.Sprint(len(body)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(body)
	}
}
