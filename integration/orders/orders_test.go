package orders_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/api"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/integration/lab"
	"github.com/ardoise/ardoise/integration/lab/rig"
)

// office gives the orders of a technician over the daemon's socket.
type office struct {
	t      *testing.T
	client *api.Client
	pc     *lab.PC
}

// order gives an order and returns how its task ended.
func (o *office) order(order access.Order) access.Task {
	o.t.Helper()
	order.Computers = []string{o.pc.Name}
	j, err := o.client.Order(o.t.Context(), order)
	if err != nil {
		o.t.Fatalf("ordering %s: %v", order.Kind, err)
	}
	ctx, cancel := context.WithTimeout(o.t.Context(), lab.WorkLimit)
	defer cancel()
	for state, err := range o.client.Watch(ctx, j.ID) {
		if err != nil {
			o.t.Fatalf("watching %s: %v", order.Kind, err)
		}
		j = state
	}
	if len(j.Tasks) != 1 || j.Tasks[0].Outcome == nil {
		o.t.Fatalf("%s ended as %+v", order.Kind, j)
	}
	task := j.Tasks[0]
	o.t.Logf("%s: %s: %s %s", order.Kind, task.State, task.Outcome.Code, task.Outcome.Detail)
	return task
}

// change is a script that changes one file of the system, as an administrator may have written it.
const change = `set -e
echo "on $ARDOISE_COMPUTER, disk $ARDOISE_DISK"
mkdir m
for part in "$ARDOISE_DISK"p*; do
	if mount -t ext4 "$part" m && test -s m/etc/hostname; then
		printf CHANGED | dd of=m/etc/hostname conv=notrunc 2>&1
		echo "done on $part"
		exit 0
	fi
	umount m || true
done
exit 4
`

func TestAChainOfOrders(t *testing.T) {
	school := rig.Golden(t, "orders")
	pc := rig.Add(t, school, lab.Hardware{Name: "chores", Firmware: lab.BIOS, Bus: lab.NVMe, DiskSize: 768 << 20})
	rig.PowerOn(t, pc)
	if _, err := school.Enrol(t.Context(), pc); err != nil {
		t.Fatal(err)
	}
	client, err := api.Dial(t.Context(), school.Data)
	if err != nil {
		t.Fatal(err)
	}
	o := &office{t, client, pc}
	if k := o.order(access.Order{Kind: job.KindDeploy, Master: "golden", Ending: job.EndStay, Unicast: true}); k.State != job.TaskDone {
		t.Fatalf("%+v", k.Outcome)
	}
	if k := o.order(access.Order{Kind: job.KindInventory, Ending: job.EndStay}); k.State != job.TaskDone {
		t.Fatalf("%+v", k.Outcome)
	}
	o.inventory()
	verify := access.Order{Kind: job.KindVerify, Master: "golden@1", Ending: job.EndStay}
	if k := o.order(verify); k.State != job.TaskDone || k.Outcome.Verify == nil || k.Outcome.Verify.Read == 0 || k.Outcome.WrittenBytes != 0 {
		t.Fatalf("%+v", k.Outcome)
	}
	o.look()
	o.script()
	k := o.order(verify)
	if v := k.Outcome.Verify; k.State != job.TaskFailed || k.Outcome.Code != job.CodeDiffers || v == nil || v.Chunks == 0 || !strings.HasSuffix(v.First, ": /etc/hostname") {
		t.Fatalf("%+v, %+v", k.Outcome, v)
	}
	o.wipe()
}

// inventory checks what the server knows of the PC now.
func (o *office) inventory() {
	o.t.Helper()
	c, err := o.client.Computer(o.t.Context(), o.pc.Name)
	if err != nil {
		o.t.Fatal(err)
	}
	in := c.Inventory
	if len(in.Disks) != 1 || len(in.NICs) != 1 || in.MemoryBytes == 0 || in.Firmware == "" || in.UEFI {
		o.t.Fatalf("inventory %+v", in)
	}
	if h := in.Disks[0].Health; h == nil || h.State != job.HealthOK || h.Celsius < 0 || h.PowerOnHours < 0 {
		o.t.Errorf("health of %+v: %+v", in.Disks[0], h)
	}
	if c.Runs == nil || c.Runs.Version != 1 {
		o.t.Errorf("it runs %+v", c.Runs)
	}
}

// try is a script that writes although nobody approved that.
const try = `for part in "$ARDOISE_DISK" "$ARDOISE_DISK"p*; do
	dd if=/dev/zero of="$part" bs=4096 seek=2000 count=1 conv=notrunc,fsync && echo "wrote to $part"
done 2>/dev/null
echo "tried on $(ls "$ARDOISE_DISK"p* | wc -l) partitions"
`

// look has a script run that was not approved to write and tries to.
func (o *office) look() {
	o.t.Helper()
	k := o.order(access.Order{Kind: job.KindScript, Script: o.approved("look", try, false), Ending: job.EndStay})
	if k.State != job.TaskDone || strings.Contains(k.Outcome.Output, "wrote") || !strings.Contains(k.Outcome.Output, "tried on ") ||
		strings.Contains(k.Outcome.Output, "on 0 ") {
		o.t.Fatalf("%+v", k.Outcome)
	}
	c, err := o.client.Computer(o.t.Context(), o.pc.Name)
	if err != nil || c.Runs == nil {
		o.t.Errorf("after a script that does not write it runs %+v, %v", c.Runs, err)
	}
}

// approved keeps a script and has it approved.
func (o *office) approved(name, text string, writes bool) (hash string) {
	o.t.Helper()
	s, err := o.client.AddScript(o.t.Context(), access.Script{Name: name, Text: text, Limit: 120, Writes: writes})
	if err == nil {
		_, err = o.client.ApproveScript(o.t.Context(), s.Hash)
	}
	if err != nil {
		o.t.Fatal(err)
	}
	return s.Hash
}

// script has a change made by an approved script, and checks that the PC is not taken for proven any more.
func (o *office) script() {
	o.t.Helper()
	k := o.order(access.Order{Kind: job.KindScript, Script: o.approved("change a file", change, true), Ending: job.EndStay})
	if k.State != job.TaskDone || k.Outcome.Exit != 0 || !strings.Contains(k.Outcome.Output, "on "+o.pc.Name+", disk /dev/nvme0n1\n") ||
		!strings.Contains(k.Outcome.Output, "done on /dev/nvme0n1p") {
		o.t.Fatalf("%+v", k.Outcome)
	}
	c, err := o.client.Computer(o.t.Context(), o.pc.Name)
	if err != nil || c.Runs != nil {
		o.t.Errorf("after a script that writes it runs %+v, %v", c.Runs, err)
	}
}

// wipe has the disk wiped and the PC switched off, and looks at the disk from outside.
func (o *office) wipe() {
	o.t.Helper()
	k := o.order(access.Order{Kind: job.KindWipe, Ending: job.EndPowerOff, Countdown: 2})
	w := k.Outcome.Wipe
	if k.State != job.TaskDone || w == nil || w.Refused != "" || w.Method != job.WipeSecureErase || w.Reported != "NVMe Format, user data erase" ||
		w.Verified == 0 || w.Path != "/dev/nvme0n1" {
		o.t.Fatalf("%+v, %+v", k.Outcome, w)
	}
	rig.Off(o.t, o.pc)
	if at, err := firstByte(o.pc.Disk()); err != nil || at >= 0 {
		o.t.Errorf("byte %d of the disk is not zero, %v", at, err)
	}
	c, err := o.client.Computer(o.t.Context(), o.pc.Name)
	if err != nil || c.Runs != nil {
		o.t.Errorf("after the wipe it runs %+v, %v", c.Runs, err)
	}
}

// firstByte returns where the first byte of a file lies that is not zero, -1 if all are.
func firstByte(path string) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	b := make([]byte, 1<<20)
	for off := int64(0); ; {
		n, err := f.Read(b)
		for i, v := range b[:n] {
			if v != 0 {
				return off + int64(i), nil
			}
		}
		off += int64(n)
		switch {
		case errors.Is(err, io.EOF):
			return -1, nil
		case err != nil:
			return off, fmt.Errorf("reading a disk from outside: %w", err)
		}
	}
}
