package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/windows"

	"github.com/ardoise/ardoise/imaging/agent/efi"
)

func tokenPath() string {
	data := os.Getenv("ProgramData")
	if data == "" {
		data = `C:\ProgramData`
	}
	return filepath.Join(data, "Ardoise", "reset.json")
}

// languages are the names that say in which language a person is spoken to, the strongest first.
func languages() []string {
	list, _ := windows.GetUserPreferredUILanguages(windows.MUI_LANGUAGE_NAME)
	return append([]string{os.Getenv("LANG")}, list...)
}

// askMenu does nothing: Windows keeps the sectors of a partition to itself. Firmware's own next start is what there is.
func askMenu() (bool, error) { return false, nil }

// restart asks the system's own program; C:\Windows is not searched for another of its name.
func restart() error {
	dir, err := windows.GetSystemDirectory()
	if err != nil {
		return fmt.Errorf("restarting: %w", err)
	}
	ctx, done := context.WithTimeout(context.Background(), commandLimit)
	defer done()
	if out, err := exec.CommandContext(ctx, filepath.Join(dir, "shutdown.exe"), "/r", "/t", "0").CombinedOutput(); err != nil {
		return fmt.Errorf("restarting: %w: %s", err, out)
	}
	return nil
}

// sealed tells whether BitLocker may protect the system's volume: its key comes from a TPM that has measured who started it, and
// with our menu before it Windows would ask for the recovery key. manage-bde says 1 for a volume that is not protected, and is
// not there where BitLocker is not.
func sealed() bool {
	dir, err := windows.GetSystemDirectory()
	if err != nil {
		return true
	}
	ctx, done := context.WithTimeout(context.Background(), commandLimit)
	defer done()
	err = exec.CommandContext(ctx, filepath.Join(dir, "manage-bde.exe"), "-status", filepath.VolumeName(dir), "-protectionaserrorlevel").Run()
	var ended *exec.ExitError
	return !errors.Is(err, fs.ErrNotExist) && !(errors.As(err, &ended) && ended.ExitCode() == 1)
}

// hold keeps a window open that Windows made for this program alone, by a double click: else nobody could read the end.
func hold(w words) {
	var list [2]uint32
	count, _, _ := windows.NewLazySystemDLL("kernel32.dll").NewProc("GetConsoleProcessList").Call(uintptr(unsafe.Pointer(&list[0])), uintptr(len(list)))
	if count != 1 {
		return
	}
	fmt.Println(w.enter)
	_, _ = os.Stdin.Read(make([]byte, 1))
}

// variables are firmware's, where this user may write them: SeSystemEnvironmentPrivilege, which administrators have.
func variables() efi.Variables {
	if err := privilege("SeSystemEnvironmentPrivilege"); err != nil {
		return nil
	}
	f := firmware{}
	if _, err := f.Get("BootOrder"); err != nil { // ERROR_INVALID_FUNCTION: started by a BIOS
		return nil
	}
	return f
}

// privilege switches a privilege of this process on.
func privilege(name string) error {
	var token windows.Token
	if err := windows.OpenProcessToken(windows.CurrentProcess(), windows.TOKEN_ADJUST_PRIVILEGES|windows.TOKEN_QUERY, &token); err != nil {
		return err
	}
	defer func() { _ = token.Close() }()
	text, err := windows.UTF16PtrFromString(name)
	if err != nil {
		return err
	}
	p := windows.Tokenprivileges{PrivilegeCount: 1}
	p.Privileges[0].Attributes = windows.SE_PRIVILEGE_ENABLED
	if err := windows.LookupPrivilegeValue(nil, text, &p.Privileges[0].Luid); err != nil {
		return err
	}
	return windows.AdjustTokenPrivileges(token, false, &p, 0, nil, nil)
}

// firmware is the variables of UEFI through Windows (GetFirmwareEnvironmentVariable, SetFirmwareEnvironmentVariableEx).
type firmware struct{}

var _ efi.Variables = firmware{}

const (
	globalGUID = "{8BE4DF61-93CA-11D2-AA0D-00E098032B8C}" // EFI_GLOBAL_VARIABLE, UEFI 3.3
	attributes = 7                                        // non-volatile, boot service and runtime access
	maxContent = 64 << 10                                 // bytes of one variable
)

func names(name string) (n, guid *uint16, err error) {
	if n, err = windows.UTF16PtrFromString(name); err != nil {
		return nil, nil, err
	}
	guid, err = windows.UTF16PtrFromString(globalGUID)
	return n, guid, err
}

// Get implements efi.Variables.
func (firmware) Get(name string) ([]byte, error) {
	n, guid, err := names(name)
	if err != nil {
		return nil, err
	}
	b := make([]byte, maxContent)
	get := windows.NewLazySystemDLL("kernel32.dll").NewProc("GetFirmwareEnvironmentVariableW")
	size, _, err := get.Call(uintptr(unsafe.Pointer(n)), uintptr(unsafe.Pointer(guid)), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
	switch {
	case size > 0 && size <= maxContent:
		return b[:size], nil
	case errors.Is(err, windows.ERROR_ENVVAR_NOT_FOUND):
		err = fs.ErrNotExist
	}
	return nil, fmt.Errorf("reading the firmware's variable %s: %w", name, err)
}

// Set implements efi.Variables.
func (firmware) Set(name string, content []byte) error {
	n, guid, err := names(name)
	if err != nil {
		return err
	}
	if len(content) == 0 {
		return errors.New("an empty variable would be removed")
	}
	set := windows.NewLazySystemDLL("kernel32.dll").NewProc("SetFirmwareEnvironmentVariableExW")
	ok, _, err := set.Call(uintptr(unsafe.Pointer(n)), uintptr(unsafe.Pointer(guid)), uintptr(unsafe.Pointer(&content[0])),
		uintptr(len(content)), attributes)
	if ok == 0 {
		return fmt.Errorf("writing the firmware's variable %s: %w", name, err)
	}
	return nil
}

// List implements efi.Variables: Windows does not list variables to programs, but those that matter are in the boot order.
func (f firmware) List() ([]string, error) {
	order, err := f.Get("BootOrder")
	if err != nil {
		return nil, err
	}
	var out []string
	for i := 0; i+1 < len(order); i += 2 {
		out = append(out, fmt.Sprintf("Boot%04X", binary.LittleEndian.Uint16(order[i:])))
	}
	return out, nil
}
