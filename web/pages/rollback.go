package pages

import (
	"context"
	"encoding/json"
	"slices"
	"sort"
	"strconv"
	"strings"

	"pilothouse/web/messages"
	"pilothouse/web/view"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// stored is a revision of a workload's pod template: a ReplicaSet of a
// Deployment, a ControllerRevision of a StatefulSet or a DaemonSet.
type stored struct {
	revision int64
	cells    []view.Cell // between its number and its age
	created  metav1.Time
	// patch is what makes the workload of a UID have it.
	patch func(uid string) (types.PatchType, any)
	// template is that of a ReplicaSet, nil for others.
	template *corev1.PodTemplateSpec
}

// revisionsOf are the revisions of a workload, the newest first.
func (c *Call) revisionsOf(ctx context.Context, o *unstructured.Unstructured) ([]stored, error) {
	selector := metav1.ListOptions{LabelSelector: selectorText(dig(o.Object, "spec selector"))}
	var list []stored
	if o.GetKind() == "Deployment" {
		var sets appsv1.ReplicaSetList
		gvr := appsv1.SchemeGroupVersion.WithResource("replicasets")
		if err := c.Client.List(ctx, gvr, o.GetNamespace(), selector, &sets); err != nil {
			return nil, err
		}
		for i := range sets.Items {
			if rs := &sets.Items[i]; metav1.IsControlledBy(rs, o) {
				list = append(list, stored{
					revision: int64(revision(rs)), created: rs.CreationTimestamp, template: &rs.Spec.Template, patch: replaceTemplate(&rs.Spec.Template),
					cells: []view.Cell{linked(rs.Name, objectPath(gvr, rs.Namespace, rs.Name)), {Text: c.T("%d of %d", rs.Status.ReadyReplicas, rs.Status.Replicas)}, {Text: imagesOf(&rs.Spec.Template)}},
				})
			}
		}
	} else {
		var revisions appsv1.ControllerRevisionList
		gvr := appsv1.SchemeGroupVersion.WithResource("controllerrevisions")
		if err := c.Client.List(ctx, gvr, o.GetNamespace(), selector, &revisions); err != nil {
			return nil, err
		}
		for i := range revisions.Items {
			r := &revisions.Items[i]
			var data struct {
				Spec struct{ Template corev1.PodTemplateSpec }
			}
			if !metav1.IsControlledBy(r, o) || json.Unmarshal(r.Data.Raw, &data) != nil {
				continue
			}
			list = append(list, stored{
				revision: r.Revision, created: r.CreationTimestamp, patch: applyRevision(r.Data.Raw),
				cells: []view.Cell{linked(r.Name, objectPath(gvr, r.Namespace, r.Name)), {Text: imagesOf(&data.Spec.Template)}},
			})
		}
	}
	sort.SliceStable(list, func(i, j int) bool { return list[j].revision < list[i].revision })
	return list, nil
}

func imagesOf(t *corev1.PodTemplateSpec) string {
	var images []string
	for i := range t.Spec.Containers {
		images = append(images, t.Spec.Containers[i].Image)
	}
	return strings.Join(images, ", ")
}

// replaceTemplate is the patch that kubectl rollout undo makes of a ReplicaSet.
func replaceTemplate(t *corev1.PodTemplateSpec) func(uid string) (types.PatchType, any) {
	return func(uid string) (types.PatchType, any) {
		t := t.DeepCopy()
		delete(t.Labels, appsv1.DefaultDeploymentUniqueLabelKey)
		return types.JSONPatchType, []map[string]any{
			{"op": "test", "path": "/metadata/uid", "value": uid}, {"op": "replace", "path": "/spec/template", "value": t},
		}
	}
}

// applyRevision is the patch that a ControllerRevision keeps.
func applyRevision(raw []byte) func(uid string) (types.PatchType, any) {
	return func(uid string) (types.PatchType, any) {
		var patch map[string]any
		_ = json.Unmarshal(raw, &patch) // it has been read before
		patch["metadata"] = map[string]any{"uid": uid}
		return types.StrategicMergePatchType, patch
	}
}

// rollbackTarget does what kubectl rollout undo does: to a revision, or with 0
// to the one before.
func rollbackTarget(ctx context.Context, c *Call, _ *doing, t target, change string) error {
	var o unstructured.Unstructured
	if err := c.Client.Get(ctx, t.gvr, t.namespace, t.name, &o); err != nil {
		return err
	}
	list, err := c.revisionsOf(ctx, &o)
	if err != nil {
		return err
	}
	wanted, _ := strconv.ParseInt(change, 10, 64) // it has been checked
	i := 1
	if wanted > 0 {
		i = slices.IndexFunc(list, func(r stored) bool { return r.revision == wanted })
	}
	switch {
	case i < 0 || i >= len(list):
		return badRequest("There is no such revision of %s.", t.name)
	case i == 0:
		return badRequest("Revision %d of %s is the one that it has.", list[0].revision, t.name)
	}
	kind, patch := list[i].patch(t.uid)
	raw, err := json.Marshal(patch)
	if err != nil {
		return err
	}
	return c.Client.Patch(ctx, t.gvr, t.namespace, t.name, "", kind, raw, nil)
}

func wrongRevision(change string) messages.Text {
	if n, err := strconv.ParseInt(change, 10, 64); err != nil || n < 0 {
		return "Write the number of a revision, or 0 for the one before."
	}
	return ""
}

// revisionsBlock are the revisions of a workload, each with the way back to it.
func (c *Call) revisionsBlock(ctx context.Context, o *loaded) view.Block {
	b := view.Block{Title: "Revisions"}
	list, err := c.revisionsOf(ctx, &o.object)
	if err != nil {
		b.Note = messages.Data(c.reason(err))
		return b
	}
	b.Table = &view.Table{Columns: []messages.Text{"Revision", "ReplicaSet", "Replicas", "Images", "Age"}, Empty: "There is none yet."}
	if o.object.GetKind() != "Deployment" {
		b.Table.Columns = []messages.Text{"Revision", "Name", "Images", "Age"}
	}
	back := doingOf("rollback", o.entry)
	if back != nil && (len(list) < 2 || c.may(ctx, back.right(o.address)) != nil) {
		back = nil
	}
	if back != nil {
		b.Table.Columns = append(b.Table.Columns, back.verb)
	}
	for i, r := range list {
		row := append([]view.Cell{{Text: strconv.FormatInt(r.revision, 10)}}, r.cells...)
		row = append(row, timed(r.created.UTC().Format(timeFormat)))
		switch {
		case back != nil && i == 0:
			row = append(row, view.Cell{Text: c.T("now"), Tone: view.Gone})
		case back != nil:
			row = append(row, linked(c.T("to revision %d", r.revision), objectPath(o.gvr, o.namespace, o.name)+"?act=rollback&change="+strconv.FormatInt(r.revision, 10)))
		}
		b.Table.Rows = append(b.Table.Rows, row)
	}
	return b
}

// rolloutCell says how far a Deployment is, as kubectl rollout status does.
func (c *Call) rolloutCell(o *unstructured.Unstructured) view.Cell {
	var d appsv1.Deployment
	raw, err := o.MarshalJSON()
	if err != nil || json.Unmarshal(raw, &d) != nil {
		return view.Cell{}
	}
	s, want := d.Status, int32(1)
	if d.Spec.Replicas != nil {
		want = *d.Spec.Replicas
	}
	late := slices.ContainsFunc(s.Conditions, func(k appsv1.DeploymentCondition) bool {
		return k.Type == appsv1.DeploymentProgressing && k.Reason == "ProgressDeadlineExceeded"
	})
	switch {
	case d.Spec.Paused:
		return toned(c.T("paused"), view.Warn)
	case d.Generation > s.ObservedGeneration:
		return toned(c.T("not begun yet"), view.Warn)
	case late:
		return toned(c.T("has not come on for longer than its deadline"), view.Bad)
	case s.UpdatedReplicas < want:
		return toned(c.T("%d of %d replicas are updated", s.UpdatedReplicas, want), view.Warn)
	case s.Replicas > s.UpdatedReplicas:
		return toned(c.T("%d old replicas are still there", s.Replicas-s.UpdatedReplicas), view.Warn)
	case s.AvailableReplicas < s.UpdatedReplicas:
		return toned(c.T("%d of %d updated replicas are available", s.AvailableReplicas, s.UpdatedReplicas), view.Warn)
	}
	return toned(c.T("complete"), view.Good)
}
