package wol_test

import (
	"encoding/hex"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/pxe/wol"
)

func TestMagic(t *testing.T) {
	mac := net.HardwareAddr{0x52, 0x54, 0, 0x12, 0x34, 0x56}
	plain := "ffffffffffff" + strings.Repeat("525400123456", 16)
	for name, c := range map[string]struct {
		password []byte
		want     string
	}{
		"without a password":             {nil, plain},
		"a password of six bytes":        {[]byte{1, 2, 3, 4, 5, 6}, plain + "010203040506"},
		"a password of four, as address": {[]byte{10, 0, 0, 1}, plain + "0a000001"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := wol.Magic(mac, c.password)
			if err != nil || hex.EncodeToString(got) != c.want {
				t.Errorf("got %x, %v", got, err)
			}
		})
	}
	if _, err := wol.Magic(mac, []byte{1}); !errors.Is(err, wol.ErrPassword) {
		t.Errorf("a password of one byte: %v", err)
	}
	if _, err := wol.Magic(mac[:5], nil); err == nil {
		t.Error("five bytes were taken for a MAC")
	}
}
