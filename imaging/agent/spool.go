package agent

import "io"

// spoolPiece is how much memory a spool takes at a time, bytes.
const spoolPiece = 1 << 20

// spool keeps in memory what is written to it: a PC without a disk of its own has nothing else. Unlike a bytes.Buffer it
// is never copied while it grows, which would take three times its size. The zero value is ready.
type spool struct{ pieces [][]byte }

// Write implements io.Writer.
func (s *spool) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		last := len(s.pieces) - 1
		if last < 0 || len(s.pieces[last]) == spoolPiece {
			s.pieces = append(s.pieces, make([]byte, 0, spoolPiece))
			continue
		}
		took := min(len(p), spoolPiece-len(s.pieces[last]))
		s.pieces[last] = append(s.pieces[last], p[:took]...)
		p = p[took:]
	}
	return n, nil
}

// copyTo writes all of it to w, as often as it is asked.
func (s *spool) copyTo(w io.Writer) error {
	for _, p := range s.pieces {
		if _, err := w.Write(p); err != nil {
			return err
		}
	}
	return nil
}
