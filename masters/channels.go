package masters

import "fmt"

// MaxChannel is the most characters of a channel's name.
const MaxChannel = 32

// Stable is the channel that a rollback means where it names none.
const Stable = "stable"

// CheckChannel tells, by *ChannelError, why a word cannot name a channel: 1 ..= MaxChannel lower-case letters, digits,
// "-" and "_", the first a letter, so that no channel is a version number.
func CheckChannel(name string) error {
	switch {
	case name == "":
		return &ChannelError{Channel: name, Reason: "is empty"}
	case len(name) > MaxChannel:
		return &ChannelError{Channel: name[:MaxChannel] + "...", Reason: fmt.Sprintf("is longer than %d characters", MaxChannel)}
	}
	for i, c := range []byte(name) {
		letter := c >= 'a' && c <= 'z'
		if !letter && i == 0 {
			return &ChannelError{Channel: name, Reason: "does not begin with a lower-case letter"}
		}
		if !letter && (c < '0' || c > '9') && c != '-' && c != '_' {
			return &ChannelError{Channel: name, Reason: fmt.Sprintf("holds %q", rune(c))}
		}
	}
	return nil
}

// Promote makes a channel point at a version, which must be sound and have all its chunks. A channel that points there
// already stays as it is.
func (l *Library) Promote(ref, channel, by string) (Move, error) {
	if err := CheckChannel(channel); err != nil {
		return Move{}, err
	}
	l.publishing.Lock()
	defer l.publishing.Unlock()
	v, err := l.Resolve(ref)
	if err != nil {
		return Move{}, err
	}
	m, err := l.Open(v)
	if err != nil {
		return Move{}, err
	}
	if err := l.complete(m); err != nil {
		return Move{}, fmt.Errorf("looking at %s: %w", v, err)
	}
	move := Move{Channel: channel, To: v.Number, At: l.moment(), By: by}
	return move, l.edit(v.Name, func(r *record) error {
		stack := r.Channels[channel]
		if len(stack) > 0 {
			now := stack[len(stack)-1]
			move.From = now.Version
			if now.Hash == v.Hash {
				return nil
			}
		}
		stack = append(stack[:len(stack):len(stack)], Pointing{Version: v.Number, Hash: v.Hash, At: move.At, By: by})
		r.Channels[channel] = stack[max(0, len(stack)-maxBefore):]
		r.Moves = append(r.Moves, move)
		return nil
	})
}

// Rollback makes a channel point at what it pointed at before, passing over versions that are gone or damaged. It fails
// with *UnknownError when there is no such channel, *NothingBeforeError when there is nothing to go back to.
func (l *Library) Rollback(name, channel, by string) (Move, error) {
	l.publishing.Lock()
	defer l.publishing.Unlock()
	move := Move{Channel: channel, At: l.moment(), By: by}
	return move, l.editChannel(name, channel, func(r *record, stack []Pointing) error {
		l.mu.RLock()
		before := l.before(name, stack)
		l.mu.RUnlock()
		if before < 0 {
			return &NothingBeforeError{Channel: name + "@" + channel}
		}
		move.From, move.To = stack[len(stack)-1].Version, stack[before].Version
		r.Channels[channel] = stack[: before+1 : before+1]
		r.Moves = append(r.Moves, move)
		return nil
	})
}

// Withdraw takes a channel away; *UnknownError when there is none.
func (l *Library) Withdraw(name, channel, by string) (Move, error) {
	l.publishing.Lock()
	defer l.publishing.Unlock()
	move := Move{Channel: channel, At: l.moment(), By: by}
	return move, l.editChannel(name, channel, func(r *record, stack []Pointing) error {
		move.From = stack[len(stack)-1].Version
		delete(r.Channels, channel)
		r.Moves = append(r.Moves, move)
		return nil
	})
}

// editChannel is edit for a channel that must be there.
func (l *Library) editChannel(name, channel string, change func(*record, []Pointing) error) error {
	if err := CheckName(name); err != nil {
		return err
	}
	if err := CheckChannel(channel); err != nil {
		return err
	}
	return l.edit(name, func(r *record) error {
		stack := r.Channels[channel]
		if len(stack) == 0 {
			return &UnknownError{What: name + "@" + channel}
		}
		return change(r, stack)
	})
}

// pointed returns the version that a channel points at: *UnknownError when there is no such channel, *AboutError when
// nobody can tell, *UntrustedError when that version is damaged. Call with mu held.
func (l *Library) pointed(name, channel string) (Version, error) {
	ref := name + "@" + channel
	a, ok := l.abouts[name]
	if ok && a.damaged != nil {
		return Version{}, &AboutError{Name: name, Err: a.damaged}
	}
	stack := a.Channels[channel]
	if len(stack) == 0 {
		return Version{}, &UnknownError{What: ref}
	}
	p := stack[len(stack)-1]
	if v, ok := l.exact(name, p); ok {
		return v, nil
	}
	return Version{}, &UntrustedError{Version: ref, Err: fmt.Errorf("version %d that it points at is damaged or gone", p.Version)}
}
