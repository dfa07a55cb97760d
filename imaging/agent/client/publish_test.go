package client

import (
	"bytes"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/ardoise/ardoise/imaging/job"
)

func TestAPartTakesWhatAServerTakesAndNoMore(t *testing.T) {
	var sent bytes.Buffer
	b := &bounded{w: &sent, left: 5, over: &TooLargeError{job.PartNames, 5}}
	if _, err := b.Write([]byte("12345")); err != nil || sent.String() != "12345" {
		t.Errorf("five bytes of five = %v, %q sent", err, &sent)
	}
	_, err := b.Write([]byte("6"))
	var large *TooLargeError
	if !errors.As(err, &large) || large.Part != job.PartNames || sent.Len() != 5 {
		t.Errorf("a sixth = %v, %d bytes sent", err, sent.Len())
	}
	if away(&brokenError{err}) {
		t.Error("it would be tried again for ever")
	}
}

// deadlines is a connection that remembers until when it may be silent.
type deadlines struct {
	net.Conn
	reads time.Time
}

func (d *deadlines) SetDeadline(t time.Time) error {
	d.reads = t
	return nil
}

func (d *deadlines) Write(b []byte) (int, error) { return len(b), nil }

// A large body over a slow network takes longer than a server may be silent: it is no silence while it takes what is sent.
func TestWhoStillSendsWaitsForNoAnswer(t *testing.T) {
	d := &deadlines{reads: time.Now().Add(time.Millisecond)}
	if _, err := (patient{d}).Write([]byte("a part of a large body")); err != nil {
		t.Fatal(err)
	}
	if left := time.Until(d.reads); left < silence/2 {
		t.Errorf("after a write the answer has %s left, want about %s", left, silence)
	}
}
