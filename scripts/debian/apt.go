package debian

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Apt is an apt state of our own.
type Apt struct {
	Dir     string // holds everything; made when missing
	Release string // "trixie"
	Mirror  string // of the release; empty: the host's
	Secure  string // mirror of its security updates; empty: the host's
}

// NoMirrorError says that the host's apt names no Debian mirror.
type NoMirrorError struct{}

// Error says so.
func (*NoMirrorError) Error() string { return "the host's apt names no Debian mirror" }

// Hint says what to do about it.
func (*NoMirrorError) Hint() string {
	return "run `sudo apt-get update`, or give -mirror and -security-mirror"
}

// components are the parts of the archive that we take from: non-free-firmware holds what Realtek's and Broadcom's
// network cards want before they give a link.
const components = "main non-free-firmware"

// keyring is the file of Debian's package debian-archive-keyring. Debian 12's holds Debian 13's keys as well (since
// 2023.3+deb12u2).
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// update writes the state's configuration and fetches the signed indexes.
func (a *Apt) update(ctx context.Context) error {
	if err := a.mirrors(ctx); err != nil {
		return err
	}
	for _, d := range []string{"lists/partial", "archives/partial"} {
		if err := os.MkdirAll(filepath.Join(a.Dir, d), 0o755); err != nil {
			return err
		}
	}
	source := func(uri, suite string) string {
		return fmt.Sprintf("deb [signed-by=%s] %s %s %s\n", keyring, uri, suite, components)
	}
	files := map[string]string{
		"status":   "",
		"apt.conf": a.config(),
		"sources.list": source(a.Mirror, a.Release) + source(a.Mirror, a.Release+"-updates") +
			source(a.Secure, a.Release+"-security"),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(a.Dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	// Without Error-Mode apt-get ends with 0 though an index could not be fetched.
	_, err := a.run(ctx, "apt-get", "-q", "-o", "APT::Update::Error-Mode=any", "update")
	return err
}

// config is apt.conf(5): everything apt writes lies in Dir, hooks of the host stay out (they tell desktop programs of
// updates that are none), and the only keys are Debian's. The sandbox user cannot reach a checkout below somebody's
// home, so downloads run as the caller; the signature is checked afterwards either way.
func (a *Apt) config() string {
	dir := func(name string) string { return filepath.Join(a.Dir, name) }
	var b strings.Builder
	for _, hook := range []string{"Pre-Invoke", "Post-Invoke", "Post-Invoke-Success"} {
		fmt.Fprintf(&b, "#clear APT::Update::%s;\n", hook)
	}
	for _, o := range [][2]string{
		{"Dir::Etc::SourceList", dir("sources.list")},
		{"Dir::Etc::SourceParts", "/dev/null"},
		{"Dir::Etc::Trusted", "/dev/null"},
		{"Dir::Etc::TrustedParts", "/dev/null"},
		{"Dir::Etc::Preferences", "/dev/null"},
		{"Dir::Etc::PreferencesParts", "/dev/null"},
		{"Dir::State", a.Dir},
		{"Dir::State::Lists", dir("lists")},
		{"Dir::State::Status", dir("status")},
		{"Dir::Cache", a.Dir},
		{"Dir::Cache::Archives", dir("archives")},
		{"APT::Architecture", "amd64"},
		{"APT::Get::AllowUnauthenticated", "false"},
		{"APT::Sandbox::User", ""},
		{"Acquire::AllowInsecureRepositories", "false"},
		{"Acquire::Languages", "none"},
		{"Acquire::Retries", "3"},
		{"Acquire::IndexTargets::deb::DEP-11::DefaultEnabled", "false"},
	} {
		fmt.Fprintf(&b, "%s %q;\n", o[0], o[1])
	}
	b.WriteString("#clear APT::Architectures;\nAPT::Architectures { \"amd64\"; };\n")
	return b.String()
}

// mirrors fills in what the caller left empty from the indexes of the host's apt. A host without security updates has
// them assumed beside the main archive, where every full mirror keeps them.
func (a *Apt) mirrors(ctx context.Context) error {
	if a.Mirror == "" || a.Secure == "" {
		out, err := run(ctx, "", "apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)", "Origin: Debian")
		if err != nil {
			return err
		}
		main, secure := pickMirrors(string(out))
		if a.Mirror == "" {
			a.Mirror = main
		}
		if a.Secure == "" {
			a.Secure = secure
		}
	}
	if a.Mirror == "" {
		return &NoMirrorError{}
	}
	if a.Secure == "" {
		a.Secure = strings.TrimSuffix(strings.TrimSuffix(a.Mirror, "/"), "/debian") + "/debian-security/"
	}
	return nil
}

// pickMirrors reads lines of label and address; the first of each label wins.
func pickMirrors(targets string) (main, secure string) {
	for line := range strings.Lines(targets) {
		label, uri, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case strings.ContainsAny(uri, " []"):
		case label == "Debian" && main == "":
			main = uri
		case label == "Debian-Security" && secure == "":
			secure = uri
		}
	}
	return main, secure
}

// run runs a program of apt on this state.
func (a *Apt) run(ctx context.Context, program string, args ...string) ([]byte, error) {
	return run(ctx, "", program, append([]string{"-c", filepath.Join(a.Dir, "apt.conf")}, args...)...)
}

// run runs a program in a folder and returns what it printed; its complaints become the error.
func run(ctx context.Context, dir, program string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			return nil, err
		}
		return nil, fmt.Errorf("running %s %s: %w: %s", program, args[len(args)-1], err, bytes.TrimSpace(complaints.Bytes()))
	}
	return out, nil
}
