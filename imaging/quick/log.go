package quick

import (
	"bytes"
	"slices"

	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/volume"
	"github.com/ardoise/ardoise/masters/manifest"
)

// quiet returns the parts of a journal's body that nobody has written to since the master filled it with zeros. The log is read
// from where a mount begins to write, until there are more zeros than transactions that follow each other leave between them.
func (x *extVolume) quiet(have *volume.ExtTables) ([]manifest.Extent, error) {
	log, ok := x.t.Log()
	own, also := have.Log()
	if !ok || !also || !log.Same(own) {
		return nil, nil
	}
	var windows []manifest.Extent
	starts := make([]int, len(log.Starts))
	at := int64(0) // in the log
	for _, e := range log.Body {
		for end := e.Offset + e.Length; e.Offset < end; e.Offset += fillWindow {
			w := manifest.Extent{Offset: x.v.Start + e.Offset, Length: min(fillWindow, end-e.Offset)}
			for k, s := range log.Starts {
				if at <= s {
					starts[k] = len(windows)
				}
			}
			windows, at = append(windows, w), at+w.Length
		}
	}
	read, zeros := make([]bool, len(windows)), make([]bool, len(windows))
	buf, want := disk.Aligned(fillWindow), make([]byte, fillWindow)
	for _, i := range starts {
		for found, n := int64(0), 0; n < len(windows) && found < log.Gap; i, n = (i+1)%len(windows), n+1 {
			w := windows[i]
			if !read[i] {
				if err := x.l.ctx.Err(); err != nil {
					return nil, err
				}
				if err := x.l.readAt(buf[:w.Length], w.Offset); err != nil {
					return nil, err
				}
				x.l.v.FillBytes += w.Length
				read[i], zeros[i] = true, bytes.Equal(buf[:w.Length], want[:w.Length])
			}
			if found += w.Length; !zeros[i] {
				found = 0
			}
		}
	}
	var out []manifest.Extent
	for i, w := range windows {
		if read[i] {
			x.l.log(w, zeros[i])
			continue
		}
		// A disk that no deployment has filled may hold the logs of its former lives: then all is read.
		page := buf[:min(logProbe, w.Length)]
		if err := x.l.readAt(page, w.Offset); err != nil {
			return nil, err
		}
		if !bytes.Equal(page, want[:len(page)]) {
			return nil, nil
		}
		out = append(out, w)
	}
	return out, nil
}

// log notes what was found of a log, where the master has zeros.
func (l *look) log(w manifest.Extent, zeros bool) {
	if !slices.ContainsFunc(l.m.Fills, func(f manifest.Fill) bool {
		return f.Byte == 0 && f.Offset <= w.Offset && w.End() <= f.End()
	}) {
		return
	}
	l.logs = append(l.logs, w)
	if zeros {
		l.right = append(l.right, w)
	}
}

// logProbe is read of each window that is not.
const logProbe = 4 << 10
