package e2e

import (
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// TestAManagerOfControllerRuntime runs two of an operator with a kind of its own,
// webhooks for it and an election between them.
func TestAManagerOfControllerRuntime(t *testing.T) {
	program := module(t, "controller-runtime", ".")
	k := newKubectl(t, start(t, t.TempDir()))
	k.run("apply -f controller-runtime/crd.yaml", "created")
	k.run("wait --for=condition=Established crd/trips.travel.example.org --timeout=150s", "condition met")

	first, say := manager(t, k.p, program, "first")
	eventually(t, "the first to lead", func() bool { return say.has("leads") })
	second, saySecond := manager(t, k.p, program, "second")
	k.run("get lease trips -n kube-system", "NAME HOLDER")

	trip := func(name, to string) string {
		return "apiVersion: travel.example.org/v1\nkind: Trip\nmetadata: {name: " + name + "}\nspec: {from: bonn, to: " + to + ", days: 3}\n"
	}
	k.runWith(trip("a", "rome"), "apply -f -", "trip.travel.example.org/a created")
	k.run("wait --for=condition=Ready trip/a --timeout=150s", "condition met")
	k.run("get trips", "NAME TO READY", "a rome True")
	k.run("get trip a -o jsonpath='{.spec.class} {.status.bookedBy}'", "second first")
	k.run("get cm a-ticket -o jsonpath={.data.route}", "bonn-rome")
	eventually(t, "an event", func() bool {
		out, _, _ := k.try("", "get", "events", "--field-selector=reason=Booked,involvedObject.name=a")
		return strings.Contains(out, "Booked by first")
	})

	// What the webhooks refuse, warn of and convert.
	_, errs, _ := k.try(trip("b", "bonn"), "apply", "-f", "-")
	k.has("apply", errs, `admission webhook "validate.travel.example.org" denied the request: bonn is where it begins`)
	_, errs, _ = k.try(strings.ReplaceAll(trip("a", "rome"), "from: bonn", "from: kiel"), "apply", "-f", "-")
	k.has("apply", errs, "it has begun in bonn")
	k.runWith(strings.ReplaceAll(trip("a", "rome"), "days: 3", "days: 40"), "apply -f -", "Warning: that is a long time", "configured")
	k.run("get trips.v1beta1.travel.example.org a -o jsonpath={.spec.route}", "bonn - rome")
	k.runWith("apiVersion: travel.example.org/v1beta1\nkind: Trip\nmetadata: {name: old}\nspec: {route: oslo - riga}\n", "apply -f -",
		"Warning: travel.example.org/v1beta1 Trip is deprecated; use travel.example.org/v1 Trip", "trip.travel.example.org/old created")
	k.run("get trip old -o jsonpath='{.spec.from} {.spec.class}'", "oslo second")
	_, errs, _ = k.try("apiVersion: travel.example.org/v1beta1\nkind: Trip\nmetadata: {name: bad}\nspec: {route: nowhere}\n", "apply", "-f", "-")
	k.has("apply", errs, `"nowhere" is no route`)

	// What it owns comes back, and goes with its owner.
	k.run("delete cm a-ticket")
	eventually(t, "a new ticket", func() bool { _, _, code := k.try("", "get", "cm", "a-ticket"); return code == 0 })

	// The other one takes over, webhooks and all.
	if err := first.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the second to lead", func() bool { return saySecond.has("leads") })
	k.runWith(trip("c", "lima"), "apply -f -", "created")
	k.run("wait --for=jsonpath={.status.bookedBy}=second trip/c --timeout=150s", "condition met")
	k.run("get trips.v1beta1.travel.example.org c -o jsonpath={.spec.route}", "bonn - lima")
	k.run("delete trip --all --timeout=150s", "deleted")
	k.run("wait --for=delete cm/a-ticket --timeout=150s")
	if second.ProcessState != nil {
		t.Error("the second has ended")
	}
}

// manager starts one operator.
func manager(t *testing.T, p *process, program, name string) (*exec.Cmd, *output) {
	t.Helper()
	said := &output{}
	c := exec.Command(program, "--kubeconfig="+p.kubeconfig, "--name="+name, "--cert-dir="+t.TempDir())
	c.Stdout, c.Stderr = said, said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Kill() //nolint:errcheck // it may be gone
		c.Wait()         //nolint:errcheck // it is killed
		if t.Failed() {
			t.Logf("%s said: %s", name, said.b.String())
		}
	})
	return c, said
}
