package pages

import (
	"context"
	"strings"

	"pilothouse/web/messages"
	"pilothouse/web/view"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

var storageClasses = schema.GroupVersionResource{Group: "storage.k8s.io", Version: "v1", Resource: "storageclasses"}

func claimBlocks(ctx context.Context, c *Call, o *loaded) []view.Block {
	spec, status := o.object.Object["spec"], o.object.Object["status"]
	var f factList
	f.add("Asked for", digText(spec, "resources requests storage"))
	f.add("Has", digText(status, "capacity storage"))
	if name := digText(spec, "volumeName"); name != "" {
		f.link("Volume", name, objectPath(persistentVolumes, "", name))
	}
	if class := digText(spec, "storageClassName"); class != "" {
		f.link("Class", class, objectPath(storageClasses, "", class))
	}
	f.add("Access", strings.Join(stringList(dig(spec, "accessModes")), ", "))
	f.add("Mode", digText(spec, "volumeMode"))
	f.add("From", strings.Trim(digText(spec, "dataSource kind")+"/"+digText(spec, "dataSource name"), "/"))
	return []view.Block{{Title: "Claim", Facts: f}, c.usedBy(ctx, o)}
}

func volumeBlocks(_ context.Context, _ *Call, o *loaded) []view.Block {
	spec := o.object.Object["spec"]
	var f factList
	f.add("Capacity", digText(spec, "capacity storage"))
	if name := digText(spec, "claimRef name"); name != "" {
		ns := digText(spec, "claimRef namespace")
		f.link("Claimed by", ns+"/"+name, objectPath(core("persistentvolumeclaims"), ns, name))
	}
	if class := digText(spec, "storageClassName"); class != "" {
		f.link("Class", class, objectPath(storageClasses, "", class))
	}
	f.add("Access", strings.Join(stringList(dig(spec, "accessModes")), ", "))
	f.add("When released", digText(spec, "persistentVolumeReclaimPolicy"))
	f.add("Mode", digText(spec, "volumeMode"))
	f.add("Driver", digText(spec, "csi driver"))
	f.add("Handle", digText(spec, "csi volumeHandle"))
	f.add("Why", digText(o.object.Object, "status reason")+" "+digText(o.object.Object, "status message"))
	return []view.Block{{Title: "Volume", Facts: f}}
}

// storageClassBlocks are how a class makes volumes, and those that it has made.
func storageClassBlocks(ctx context.Context, c *Call, o *loaded) []view.Block {
	var f factList
	f.add("Driver", digText(o.object.Object, "provisioner"))
	f.add("When released", digText(o.object.Object, "reclaimPolicy"))
	f.add("Binding", digText(o.object.Object, "volumeBindingMode"))
	f.add("Can grow", c.yesNo(dig(o.object.Object, "allowVolumeExpansion") == true))
	f.add("Taken where none is named", c.yesNo(o.object.GetAnnotations()["storageclass.kubernetes.io/is-default-class"] == "true"))
	parameters, _ := o.object.Object["parameters"].(map[string]any)
	for _, name := range sortedKeys(parameters) {
		f.add(messages.Data(name), text(parameters[name]))
	}
	b := view.Block{Title: "Volumes", Table: &view.Table{Columns: []messages.Text{"Name", "Capacity", "Status", "Claimed by"}, Empty: "None."}}
	a, ok := c.served("", "persistentvolumes")
	if !ok {
		return []view.Block{{Title: "Class", Facts: f}}
	}
	list, err := c.listObjects(ctx, a, "", "")
	if err != nil {
		b.Note, b.Table = messages.Data(c.reason(err)), nil
	}
	for _, v := range list {
		if digText(v, "spec storageClassName") != o.name || len(b.Table.Rows) == shownRelated {
			continue
		}
		name, phase := digText(v, "metadata name"), digText(v, "status phase")
		namespace, claim := digText(v, "spec claimRef namespace"), digText(v, "spec claimRef name")
		b.Table.Rows = append(b.Table.Rows, []view.Cell{
			linked(name, objectPath(a.gvr, "", name)), {Text: digText(v, "spec capacity storage")}, toned(phase, view.Tone("Status", phase)),
			linked(strings.Trim(namespace+"/"+claim, "/"), objectPath(core("persistentvolumeclaims"), namespace, claim)),
		})
	}
	return []view.Block{{Title: "Class", Facts: f}, b}
}
