package browser

import (
	"bytes"
	"cmp"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/chromedp/chromedp"
)

// phones are the pages whose pictures are taken as wide as a phone as well.
const phones = " map map-running map-lines room order-plan job-running job-report labelled login "

// shoot takes the page's picture in both languages and both colour schemes, if pictures are asked for and it is not there.
func (w *window) shoot(name string) {
	w.t.Helper()
	if w.shots == "" {
		return
	}
	if _, err := os.Stat(filepath.Join(w.shots, name+"-en-dark.png")); err == nil {
		return
	}
	for _, language := range []string{"fr", "en"} {
		for _, theme := range []string{"light", "dark"} {
			w.prefer(language, theme)
			w.resize(1280)
			w.picture(name + "-" + language + "-" + theme)
			if language == "fr" && theme == "light" && bytes.Contains([]byte(phones), []byte(" "+name+" ")) {
				w.resize(390)
				w.picture(name + "-" + language + "-phone")
			}
		}
	}
	w.resize(1280)
	w.prefer("en", "auto")
}

// prefer sets language and colours as the buttons of the page do, and loads it again.
func (w *window) prefer(language, theme string) {
	w.t.Helper()
	if w.plain { // by hand
		for _, choice := range []string{"name=language][value=" + language, "name=theme][value=" + theme} {
			w.click(".me .drop summary")
			w.goes(".me .prefs button[" + choice + "]")
		}
		return
	}
	eval[int](w, "fetch('/preferences', { method: 'POST', redirect: 'manual', body: new URLSearchParams({ language: '"+language+"', theme: '"+theme+"', back: '/login' }) }).then((r) => r.status)")
	w.leaves("location.reload();")
}

func (w *window) picture(name string) {
	w.t.Helper()
	time.Sleep(150 * time.Millisecond) // a page without scripts has no clock
	raw, err := chromedp.Run(w.ctx, chromedp.CaptureScreenshot())
	check(w.t, err)
	full, err := png.Decode(bytes.NewReader(raw))
	check(w.t, err)
	var small bytes.Buffer
	check(w.t, (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&small, frugal(full)))
	check(w.t, os.WriteFile(filepath.Join(w.shots, name+".png"), small.Bytes(), 0o644))
}

// frugal paints a picture with its 256 most frequent colours: pages have few, but for the edges of their letters.
func frugal(full image.Image) *image.Paletted {
	count, bounds := map[color.RGBA]int{}, full.Bounds()
	at := func(x, y int) color.RGBA { return color.RGBAModel.Convert(full.At(x, y)).(color.RGBA) }
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			count[at(x, y)]++
		}
	}
	frequent := slices.SortedFunc(maps.Keys(count), func(a, b color.RGBA) int {
		return cmp.Or(count[b]-count[a], int(a.R)-int(b.R), int(a.G)-int(b.G), int(a.B)-int(b.B))
	})
	var palette color.Palette
	for _, c := range frequent[:min(len(frequent), 256)] {
		palette = append(palette, c)
	}
	index, out := map[color.RGBA]uint8{}, image.NewPaletted(bounds, palette)
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			c := at(x, y)
			i, known := index[c]
			if !known {
				i = uint8(palette.Index(c))
				index[c] = i
			}
			out.SetColorIndex(x, y, i)
		}
	}
	return out
}
