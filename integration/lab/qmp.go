package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// Press pushes the power button: a running system shuts down cleanly.
func (pc *PC) Press(ctx context.Context) error {
	return pc.order(ctx, "system_powerdown", nil)
}

// Reset presses the reset button.
func (pc *PC) Reset(ctx context.Context) error {
	return pc.order(ctx, "system_reset", nil)
}

// Screenshot saves what stands on the PC's screen as a PNG picture.
func (pc *PC) Screenshot(ctx context.Context, path string) error {
	return pc.order(ctx, "screendump", map[string]any{"filename": path, "format": "png"})
}

// Type presses keys one after the other, each by QEMU's name ("down", "ret", "shift-a").
func (pc *PC) Type(ctx context.Context, keys ...string) error {
	for _, k := range keys {
		var chord []map[string]string
		for _, part := range strings.Split(k, "-") {
			chord = append(chord, map[string]string{"type": "qcode", "data": part})
		}
		if err := pc.order(ctx, "send-key", map[string]any{"keys": chord}); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(keyPause):
		}
	}
	return nil
}

// keyPause is longer than QEMU holds a key down, which is 100 ms, and than a busy guest needs to see it.
const keyPause = 300 * time.Millisecond

// order sends one command of QEMU's machine protocol (QMP: JSON objects; a greeting, qmp_capabilities, commands; events
// come in between).
func (pc *PC) order(ctx context.Context, name string, arguments map[string]any) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "unix", pc.socket())
	if err != nil {
		return fmt.Errorf("%s of %s: %w", name, pc.Name, err)
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return err
		}
	}
	in, out := json.NewDecoder(conn), json.NewEncoder(conn)
	for _, message := range []map[string]any{{"execute": "qmp_capabilities"}, {"execute": name, "arguments": arguments}} {
		if message["arguments"] == nil || len(arguments) == 0 {
			delete(message, "arguments")
		}
		if err := out.Encode(message); err != nil {
			return err
		}
		if err := answer(in); err != nil {
			return fmt.Errorf("%s of %s: %w", name, pc.Name, err)
		}
	}
	return nil
}

// answer reads past greeting and events to the answer of a command.
func answer(in *json.Decoder) error {
	for {
		var reply struct {
			Return json.RawMessage `json:"return"`
			Error  *struct {
				Desc string `json:"desc"`
			} `json:"error"`
		}
		if err := in.Decode(&reply); err != nil {
			return err
		}
		switch {
		case reply.Error != nil:
			return errors.New(reply.Error.Desc)
		case reply.Return != nil:
			return nil
		}
	}
}
