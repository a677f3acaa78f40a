package pages

import (
	"context"
	"strings"

	"pilothouse/web/view"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

var storageClasses = schema.GroupVersionResource{Group: "storage.k8s.io", Version: "v1", Resource: "storageclasses"}

func claimBlocks(ctx context.Context, c *Call, o *loaded) []view.Block {
	spec, status := o.object.Object["spec"], o.object.Object["status"]
	var f factList
	f.add("Asked for", digText(spec, "resources", "requests", "storage"))
	f.add("Has", digText(status, "capacity", "storage"))
	if name := digText(spec, "volumeName"); name != "" {
		f.link("Volume", name, objectPath(persistentVolumes, "", name))
	}
	if class := digText(spec, "storageClassName"); class != "" {
		f.link("Class", class, objectPath(storageClasses, "", class))
	}
	f.add("Access", strings.Join(stringList(dig(spec, "accessModes")), ", "))
	f.add("Mode", digText(spec, "volumeMode"))
	f.add("From", strings.Trim(digText(spec, "dataSource", "kind")+"/"+digText(spec, "dataSource", "name"), "/"))
	return []view.Block{{Title: "Claim", Facts: f}, c.usedBy(ctx, o)}
}

func volumeBlocks(_ context.Context, _ *Call, o *loaded) []view.Block {
	spec := o.object.Object["spec"]
	var f factList
	f.add("Capacity", digText(spec, "capacity", "storage"))
	if name := digText(spec, "claimRef", "name"); name != "" {
		ns := digText(spec, "claimRef", "namespace")
		f.link("Claimed by", ns+"/"+name, objectPath(core("persistentvolumeclaims"), ns, name))
	}
	if class := digText(spec, "storageClassName"); class != "" {
		f.link("Class", class, objectPath(storageClasses, "", class))
	}
	f.add("Access", strings.Join(stringList(dig(spec, "accessModes")), ", "))
	f.add("When released", digText(spec, "persistentVolumeReclaimPolicy"))
	f.add("Mode", digText(spec, "volumeMode"))
	f.add("Driver", digText(spec, "csi", "driver"))
	f.add("Handle", digText(spec, "csi", "volumeHandle"))
	f.add("Why", digText(o.object.Object, "status", "reason")+" "+digText(o.object.Object, "status", "message"))
	return []view.Block{{Title: "Volume", Facts: f}}
}
