package pages

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"pilothouse/backend/registry"
	"pilothouse/web/messages"
	"pilothouse/web/undo"
	"pilothouse/web/view"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// doing is a change that can be made to one object or to many.
type doing struct {
	name string
	// verb is its button; one and many ask for it, of a kind and a name or of a
	// number and a resource; done tells of it. final tells that it cannot be
	// taken back.
	verb, one, many, done messages.Text
	final                 bool
	// deletes tells the one that waits and takes along what belongs to the objects;
	// it has no do, see held.go.
	deletes bool
	// types are those that it is for, all that have its verb where there are none;
	// verbs and sub are the right that it needs.
	types    typeNames
	verbs    string
	sub      string
	resource schema.GroupVersionResource // of the right, where it is not the object's own
	// asks is what is asked for before, empty for nothing; wrong tells what is
	// wrong with the answer.
	asks  messages.Text
	wrong func(change string) messages.Text
	do    func(ctx context.Context, c *Call, d *doing, t target, change string) error
	// field and value are what some of them set.
	field string
	value any
	// shown narrows it down to objects on whose page it has a button; nil for
	// none.
	shown func(d *doing, o *loaded) bool
}

// doings are what can be done, in the order of the buttons.
var doings = []doing{
	{name: "scale", verb: "Scale", one: "Scale %s %s", many: "Scale %d %s", done: "%s %s was scaled.", types: "deployments.apps statefulsets.apps replicasets.apps replicationcontrollers", verbs: "patch", sub: "scale", asks: "Replicas", wrong: wrongReplicas, do: scaleTarget, shown: anyOne},
	{name: "restart", verb: "Restart", one: "Restart %s %s", many: "Restart %d %s", done: "%s %s was restarted.", types: "deployments.apps statefulsets.apps daemonsets.apps", verbs: "patch", do: restartTarget, shown: anyOne},
	{name: "rollback", verb: "Roll back", one: "Roll back %s %s", many: "Roll back %d %s", done: "%s %s was rolled back.", types: "deployments.apps statefulsets.apps daemonsets.apps", verbs: "patch", asks: "Revision, 0 for the one before", wrong: wrongRevision, do: rollbackTarget, shown: anyOne},
	{name: "pause", verb: "Pause", one: "Pause %s %s", many: "Pause %d %s", done: "%s %s was paused.", types: "deployments.apps", verbs: "patch", do: setField, field: "paused", value: true, shown: otherwise},
	{name: "resume", verb: "Resume", one: "Resume %s %s", many: "Resume %d %s", done: "%s %s was resumed.", types: "deployments.apps", verbs: "patch", do: setField, field: "paused", value: nil, shown: otherwise},
	{name: "suspend", verb: "Suspend", one: "Suspend %s %s", many: "Suspend %d %s", done: "%s %s was suspended.", types: "cronjobs.batch jobs.batch", verbs: "patch", do: setField, field: "suspend", value: true, shown: otherwise},
	{name: "unsuspend", verb: "Go on", one: "Go on %s %s", many: "Go on %d %s", done: "%s %s was resumed.", types: "cronjobs.batch jobs.batch", verbs: "patch", do: setField, field: "suspend", value: false, shown: otherwise},
	{name: "trigger", verb: "Run now", one: "Run now %s %s", many: "Run now %d %s", done: "%s %s was run.", final: true, types: "cronjobs.batch", verbs: "create", resource: schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "jobs"}, do: triggerTarget, shown: anyOne},
	{name: "cordon", verb: "Cordon", one: "Cordon %s %s", many: "Cordon %d %s", done: "%s %s was cordoned.", types: "nodes", verbs: "patch", do: setField, field: "unschedulable", value: true, shown: otherwise},
	{name: "uncordon", verb: "Uncordon", one: "Uncordon %s %s", many: "Uncordon %d %s", done: "%s %s was uncordoned.", types: "nodes", verbs: "patch", do: setField, field: "unschedulable", value: nil, shown: otherwise},
	{name: "approve", verb: "Approve", one: "Approve %s %s", many: "Approve %d %s", done: "%s %s was approved.", final: true, types: "certificatesigningrequests.certificates.k8s.io", verbs: "patch", sub: "approval", do: approve, value: "Approved", shown: unanswered},
	{name: "deny", verb: "Deny", one: "Deny %s %s", many: "Deny %d %s", done: "%s %s was denied.", final: true, types: "certificatesigningrequests.certificates.k8s.io", verbs: "patch", sub: "approval", do: approve, value: "Denied", shown: unanswered},
	{name: "label", verb: "Label", one: "Label %s %s", many: "Label %d %s", done: "%s %s was labelled.", verbs: "patch", asks: "KEY=VALUE, or KEY- to remove it", wrong: wrongPair, do: setMetadata, field: "labels"},
	{name: "annotate", verb: "Annotate", one: "Annotate %s %s", many: "Annotate %d %s", done: "%s %s was annotated.", verbs: "patch", asks: "KEY=VALUE, or KEY- to remove it", wrong: wrongPair, do: setMetadata, field: "annotations"},
	{name: "delete", verb: "Delete", one: "Delete %s %s", many: "Delete %d %s", deletes: true, verbs: "delete"},
}

// doingOf finds a doing by its name; nil when a type has no such.
func doingOf(name string, e *registry.Entry) *doing {
	i := slices.IndexFunc(doings, func(d doing) bool { return d.name == name && d.on(e) })
	if i < 0 {
		return nil
	}
	return &doings[i]
}

// right is what a doing needs at an address.
func (d *doing) right(a address) right {
	r := right{verb: d.verbs, address: a, sub: d.sub}
	if d.resource.Resource != "" {
		r.gvr, r.name = d.resource, ""
	}
	return r
}

// on tells whether it is for a type.
func (d *doing) on(e *registry.Entry) bool {
	if d.types == "" {
		return can(e, d.verbs)
	}
	return d.types.has(e)
}

func always(*loaded) bool { return true }

func anyOne(*doing, *loaded) bool { return true }

// otherwise tells an object whose field is not yet what the doing makes of it.
func otherwise(d *doing, o *loaded) bool {
	return (dig(o.object.Object, "spec "+d.field) == true) != (d.value == true)
}

func wrongReplicas(change string) messages.Text {
	if n, err := strconv.Atoi(change); err != nil || n < 0 {
		return "Write how many replicas there are to be: a number from 0."
	}
	return ""
}

func wrongPair(change string) messages.Text {
	if !strings.Contains(change, "=") && !strings.HasSuffix(change, "-") {
		return "Write KEY=VALUE, or KEY- to remove it."
	}
	return ""
}

// errNoChange tells that an object is already what it was to become: nothing was sent.
var errNoChange = errors.New("no change")

// scaleTarget does what kubectl scale does, and nothing where there are as many already.
func scaleTarget(ctx context.Context, c *Call, _ *doing, t target, change string) error {
	n, err := strconv.Atoi(change)
	if err != nil {
		return err
	}
	var o unstructured.Unstructured
	if c.Client.Get(ctx, t.gvr, t.namespace, t.name, &o) == nil && string(o.GetUID()) == t.uid && digText(o.Object, "spec replicas") == strconv.Itoa(n) {
		return errNoChange
	}
	return c.patch(ctx, t, "scale", map[string]any{"spec": map[string]any{"replicas": n}})
}

// setField sets a field of an object's spec, or with nil removes it.
func setField(ctx context.Context, c *Call, d *doing, t target, _ string) error {
	return c.patch(ctx, t, "", map[string]any{"metadata": map[string]any{"uid": t.uid}, "spec": map[string]any{d.field: d.value}})
}

// triggerTarget makes a Job of a CronJob's template now, as kubectl create job
// --from does.
func triggerTarget(ctx context.Context, c *Call, _ *doing, t target, _ string) error {
	var cron batchv1.CronJob
	if err := c.Client.Get(ctx, t.gvr, t.namespace, t.name, &cron); err != nil {
		return err
	}
	template := cron.Spec.JobTemplate
	job := batchv1.Job{ObjectMeta: metav1.ObjectMeta{
		GenerateName: t.name[:min(len(t.name), 50)] + "-manual-", Namespace: t.namespace, Labels: template.Labels, Annotations: map[string]string{"cronjob.kubernetes.io/instantiate": "manual"},
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(&cron, batchv1.SchemeGroupVersion.WithKind("CronJob"))},
	}, Spec: template.Spec}
	for k, v := range template.Annotations {
		job.Annotations[k] = v
	}
	job.SetGroupVersionKind(batchv1.SchemeGroupVersion.WithKind("Job"))
	return c.Client.Create(ctx, batchv1.SchemeGroupVersion.WithResource("jobs"), t.namespace, &job)
}

// fillDoings puts the object's doings into its buttons.
func (c *Call) fillDoings(ctx context.Context, o *loaded, v *view.Object) {
	for i := range doings {
		d := &doings[i]
		if d.shown == nil || !d.on(o.entry) || !d.shown(d, o) {
			continue
		}
		v.Acts = append(v.Acts, view.Act{Name: d.name, Text: d.verb, Full: c.T(d.one, o.object.GetKind(), o.name), Href: v.Path + "?act=" + d.name, Denied: c.may(ctx, d.right(o.address))})
	}
}

// doPage asks before something is done with one object.
func doPage(ctx context.Context, c *Call, o *loaded) (*Answer, error) {
	d := doingOf(c.Query.Get("act"), o.entry)
	if d == nil || d.shown == nil {
		return nil, notServed(c.URL())
	}
	v := view.Bulk{
		FormToken: c.FormToken(), Act: d.name, Verb: messages.Said(c.T(d.one, o.object.GetKind(), o.name)), List: listPath(o.gvr, o.namespace), Asks: d.asks,
		One: objectPath(o.gvr, o.namespace, o.name), Selected: []string{string(o.object.GetUID()) + " " + o.namespace + "/" + o.name}, Names: []string{strings.TrimPrefix(o.namespace+"/"+o.name, "/")},
	}
	switch d.name {
	case "scale":
		v.Change = digText(o.object.Object, "spec replicas")
	case "rollback":
		v.Change = cmp.Or(c.Query.Get("change"), "0")
	}
	v.Fault = c.refusedBy(c.may(ctx, d.right(o.address)))
	v.Command, v.Curl = d.command(c, o), d.curl(c, o)
	return c.bulkAnswer(v, o.address, http.StatusOK), nil
}

// command is the same for kubectl, empty where it has none.
func (d *doing) command(c *Call, o *loaded) string {
	name := kubectlName(c.Types(), o.gvr) + "/" + shellQuote(o.name)
	command := ""
	switch d.name {
	case "scale":
		command = "kubectl scale " + name + " --replicas=N"
	case "rollback":
		command = "kubectl rollout undo " + name + " --to-revision=N"
	case "restart", "pause", "resume":
		command = "kubectl rollout " + d.name + " " + name
	case "approve", "deny":
		return "kubectl certificate " + d.name + " " + o.name
	case "cordon", "uncordon":
		return "kubectl " + d.name + " " + shellQuote(o.name)
	case "trigger":
		command = "kubectl create job NAME --from=" + name
	case "suspend", "unsuspend":
		command = fmt.Sprintf(`kubectl patch %s --type=merge -p '{"spec":{"suspend":%t}}'`, name, d.name == "suspend")
	case "label", "annotate":
		command = "kubectl " + d.name + " " + name + " KEY=VALUE"
	case "delete":
		command = "kubectl delete " + name
	}
	if o.namespace == "" {
		return command
	}
	return command + " -n " + shellQuote(o.namespace)
}

// shownCommands bounds the commands for many objects.
const shownCommands = 5

// commands are the same for kubectl and curl, one line for each object.
func (d *doing) commands(c *Call, targets []target) (kubectl, curl string) {
	var k, u []string
	for i, t := range targets {
		if i == shownCommands {
			more := "# " + c.T("and %d more", len(targets)-i)
			k, u = append(k, more), append(u, more)
			break
		}
		o := &loaded{address: t.address}
		k, u = append(k, d.command(c, o)), append(u, d.curl(c, o))
	}
	return strings.Join(k, "\n"), strings.Join(u, "\n")
}

// doOne does something with one object while its page waits.
func (c *Call) doOne(ctx context.Context, d *doing, v view.Bulk, t target) (*Answer, error) {
	change := undo.New(c.T(d.done, t.entry.Resource.Kind, t.name))
	err := undoing(ctx, c, d, change, t, v.Change)
	if errors.Is(err, errNoChange) {
		change = undo.New(c.T("No change: %s %s is that already.", t.entry.Resource.Kind, t.name))
		change.Take()
		err = nil
	}
	if err != nil {
		f, ok := c.Fault(err)
		if !ok {
			return nil, err
		}
		v.Fault = f
		return c.bulkAnswer(v, t.address, f.Code), nil
	}
	c.Undo.Keep(c.Session.ID, change)
	return &Answer{Redirect: v.One}, nil
}
