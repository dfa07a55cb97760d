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

// The view box of a curve, with room on the left and below for what the axes say.
const (
	curveWidth  = 800
	curveHeight = 220
	curveLeft   = 64
	curveBottom = 26
	curveTop    = 10
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
	fmt.Fprintf(&b, `<svg class="curve" viewBox="0 0 %d %d" role="img" aria-label="%s">`, curveWidth, curveHeight, template.HTMLEscapeString(says))
	top := max(wire, disk, 1_000_000)
	top = roundUp(top)
	y := func(v int64) float64 {
		return curveTop + float64(curveHeight-curveBottom-curveTop)*(1-float64(v)/float64(top))
	}
	x := func(at int64) float64 {
		return curveLeft + float64(curveWidth-curveLeft-8)*float64(at)/float64(end)
	}
	for i := range int64(3) {
		v := top * i / 2
		fmt.Fprintf(&b, `<line class="curve-grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/><text class="curve-text" x="%d" y="%.1f" text-anchor="end">%s</text>`,
			curveLeft, curveWidth-8, y(v), y(v), curveLeft-8, y(v)+4, template.HTMLEscapeString(t.rate(v)))
	}
	for i := range int64(3) {
		at := end * i / 2
		anchor := [3]string{"start", "middle", "end"}[i]
		fmt.Fprintf(&b, `<text class="curve-text" x="%.1f" y="%d" text-anchor="%s">%s</text>`, x(at), curveHeight-6, anchor,
			template.HTMLEscapeString(t.seconds(float64(at))))
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
			path.WriteString(verb + strconv.FormatFloat(x(p.At), 'f', 1, 64) + " " + strconv.FormatFloat(y(value(p)), 'f', 1, 64))
		}
		d := path.String()
		fmt.Fprintf(&b, `<path class="curve-area %s" d="%sL%.1f %.1fL%.1f %.1fZ"/><path class="curve-line %s" d="%s"/>`, class, d,
			x(points[len(points)-1].At), y(0), x(points[0].At), y(0), class, d)
	}
	line("wire", func(p point) int64 { return p.Wire })
	if disk > 0 {
		line("disk", func(p point) int64 { return p.Disk })
	}
	b.WriteString(`</svg>`)
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
