package web

import (
	"fmt"
	"html/template"
	"math"
	"strconv"
	"strings"
)

// ringLength is the length of the ring's circle, 2π·16, in units of its view box.
const ringLength = 100.53

// ring draws progress as an arc; its number stands beside it in words, so it is hidden from screen readers.
func ring(percent int) template.HTML {
	done := ringLength * float64(min(max(percent, 0), 100)) / 100
	return template.HTML(fmt.Sprintf(`<svg class="ring" viewBox="0 0 40 40" aria-hidden="true"><circle class="ring-back" cx="20" cy="20" r="16"/>`+
		`<circle class="ring-done" cx="20" cy="20" r="16" stroke-dasharray="%.1f %.1f" transform="rotate(-90 20 20)"/></svg>`,
		done, ringLength))
}

// part is one piece of a bar: a class and how much of the whole it is.
type part struct {
	Class string
	N     int
}

// bar draws the parts of a whole beside each other; one without a class is left empty. Its meaning stands beside it in words.
func bar(parts []part) template.HTML {
	total := 0
	for _, p := range parts {
		total += p.N
	}
	var b strings.Builder
	b.WriteString(`<svg class="bar" viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true"><rect class="bar-back" width="1000" height="10"/>`)
	x := 0.0
	for _, p := range parts {
		if p.N == 0 {
			continue
		}
		w := 1000 * float64(p.N) / float64(total)
		if p.Class == "" {
			x += w
			continue
		}
		fmt.Fprintf(&b, `<rect class="s-%s" x="%.1f" width="%.1f" height="10"/>`, template.HTMLEscapeString(p.Class), x, w)
		x += w
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String())
}

// point is one sample of a curve: seconds since its beginning, bytes a second on the wire and on disks.
type point struct {
	At         int64
	Wire, Disk int64
}

// The view box of a curve, which is stretched to its place: what its axes say stands around it, in letters that keep their size.
const (
	curveWidth  = 800
	curveHeight = 200
)

// curve draws two rates over time. Who does not see it is told the highest of each.
func curve(t tongue, points []point) template.HTML {
	var b strings.Builder
	end, wire, disk := int64(10), int64(0), int64(0)
	for _, p := range points {
		end, wire, disk = max(end, p.At), max(wire, p.Wire), max(disk, p.Disk)
	}
	says := t.say("curve.label", t.rate(wire))
	if disk > 0 {
		says = t.say("curve.label.disk", t.rate(wire), t.rate(disk))
	}
	top := roundUp(max(wire, disk, 1_000_000))
	fmt.Fprintf(&b, `<div class="curve-plot"><div class="curve-y" aria-hidden="true"><span>%s</span><span>%s</span><span>0</span></div>`,
		template.HTMLEscapeString(t.rate(top)), template.HTMLEscapeString(t.rate(top/2)))
	fmt.Fprintf(&b, `<svg class="curve" viewBox="0 0 %d %d" preserveAspectRatio="none" role="img" aria-label="%s">`, curveWidth, curveHeight,
		template.HTMLEscapeString(says))
	for i := range 3 {
		fmt.Fprintf(&b, `<line class="curve-grid" x2="%d" y1="%d" y2="%d"/>`, curveWidth, i*curveHeight/2, i*curveHeight/2)
	}
	place := func(p point, value int64) string {
		return strconv.FormatFloat(curveWidth*float64(p.At)/float64(end), 'f', 1, 64) + " " +
			strconv.FormatFloat(curveHeight*(1-float64(value)/float64(top)), 'f', 1, 64)
	}
	line := func(class string, value func(point) int64) {
		if len(points) == 0 {
			return
		}
		var path strings.Builder
		for i, p := range points {
			verb := "L"
			if i == 0 {
				verb = "M"
			}
			path.WriteString(verb + place(p, value(p)))
		}
		fmt.Fprintf(&b, `<path class="curve-area %s" d="%sL%sL%sZ"/><path class="curve-line %s" d="%s"/>`, class, path.String(),
			place(points[len(points)-1], 0), place(points[0], 0), class, path.String())
	}
	line("wire", func(p point) int64 { return p.Wire })
	if disk > 0 {
		line("disk", func(p point) int64 { return p.Disk })
	}
	b.WriteString(`</svg><div class="curve-x" aria-hidden="true">`)
	for i := range int64(3) {
		fmt.Fprintf(&b, `<span>%s</span>`, template.HTMLEscapeString(t.seconds(float64(end*i)/2)))
	}
	b.WriteString(`</div></div>`)
	return template.HTML(b.String())
}

// roundUp finds the next 1, 2 or 5 with zeros, so that the axis has numbers that a person reads.
func roundUp(n int64) int64 {
	p := math.Pow(10, math.Floor(math.Log10(float64(n))))
	for _, m := range []float64{1, 2, 5, 10} {
		if v := int64(m * p); v >= n {
			return v
		}
	}
	return n
}

// thin keeps at most n points: each that stays is the mean of those it stands for.
func thin(points []point, n int) []point {
	if len(points) <= n {
		return points
	}
	step := (len(points) + n - 1) / n
	var out []point
	for i := 0; i < len(points); i += step {
		group := points[i:min(i+step, len(points))]
		p := point{At: group[0].At}
		for _, g := range group {
			p.Wire, p.Disk = p.Wire+g.Wire, p.Disk+g.Disk
		}
		p.Wire, p.Disk = p.Wire/int64(len(group)), p.Disk/int64(len(group))
		out = append(out, p)
	}
	return out
}
