package main

import (
	"bufio"
	"context"
	"io"
	"strings"
	"time"
	"unicode"
)

// ask asks the person, and fails when the answer is not yes.
func (p *pc) ask(ctx context.Context, computer string) error {
	w := p.words
	if !p.person {
		return &fault{exitUsage, w.nobody, w.sayYes}
	}
	if computer != "" {
		p.say("%s", printable(computer))
	}
	p.say("%s", w.question)
	answer := make(chan string, 1)
	go func() { // a read of a terminal cannot be ended; the program does
		line, _ := bufio.NewReader(io.LimitReader(p.in, 1024)).ReadString('\n')
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case <-ctx.Done():
		return &fault{exitRefused, w.declined, w.asYouLike}
	case a := <-answer:
		if a == "o" || a == "oui" || a == "y" || a == "yes" {
			return nil
		}
		return &fault{exitRefused, w.declined, w.asYouLike}
	}
}

// countDown shows the seconds and restarts the computer.
func (p *pc) countDown(ctx context.Context) error {
	for left := countTo; left > 0; left-- {
		p.say(p.words.restarting, left)
		select {
		case <-ctx.Done():
			p.say("%s", p.words.notRestarted)
			return nil
		case <-p.tick:
		}
	}
	if err := p.restart(); err != nil {
		return &fault{exitIO, err.Error(), p.words.restartYourself}
	}
	return nil
}

// maxShown is how much of what a server says is shown, characters.
const maxShown = 300

// printable makes one line of what comes from elsewhere: no control characters, nothing that turns the direction of
// writing, at most maxShown characters.
func printable(s string) string {
	out, n := strings.Builder{}, 0
	for _, r := range s {
		if n++; n > maxShown {
			out.WriteString(" ...")
			break
		}
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			r = ' '
		}
		out.WriteRune(r)
	}
	return out.String()
}

// spoken chooses the language of the first name of one that says something: French, else English.
func spoken(languages []string) words {
	for _, l := range languages {
		if l != "" {
			if strings.HasPrefix(strings.ToLower(l), "fr") {
				return french()
			}
			return english()
		}
	}
	return english()
}

// commandLimit is how long the system may take to begin its restart.
const commandLimit = time.Minute
