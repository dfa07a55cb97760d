package client

import (
	"bytes"
	"errors"
	"testing"

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
