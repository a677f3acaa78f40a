package apitest_test

import (
	"fmt"
	"testing"

	"pilothouse/backend/apitest"

	corev1 "k8s.io/api/core/v1"
)

const (
	claimsPath  = "/api/v1/namespaces/default/persistentvolumeclaims"
	volumesPath = "/api/v1/persistentvolumes"
	classesPath = "/apis/storage.k8s.io/v1/storageclasses"
)

func newVolume(c *apitest.Caller, name, size, more string) {
	c.Post(volumesPath, `{"metadata":{"name":"`+name+`","labels":{"name":"`+name+`"}},"spec":{"capacity":{"storage":"`+size+`"},"accessModes":["ReadWriteOnce"],"hostPath":{"path":"/data"}`+more+`}}`).Must(201)
}

func newClaim(c *apitest.Caller, name, size, more string) {
	c.Post(claimsPath, `{"metadata":{"name":"`+name+`"},"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"`+size+`"}},"storageClassName":""`+more+`}}`).Must(201)
}

// describeClaim gives a claim's phase, volume and size.
func describeClaim(c *apitest.Caller, name string) func() string {
	return func() string {
		var claim corev1.PersistentVolumeClaim
		c.Get(claimsPath + "/" + name).Must(200).Into(&claim)
		size := claim.Status.Capacity[corev1.ResourceStorage]
		return fmt.Sprintf("%s %s %s", claim.Status.Phase, claim.Spec.VolumeName, size.String())
	}
}

func describeVolume(c *apitest.Caller, name string) func() string {
	return func() string {
		var v corev1.PersistentVolume
		c.Get(volumesPath + "/" + name).Must(200).Into(&v)
		out := string(v.Status.Phase)
		if v.Spec.ClaimRef != nil {
			out += " " + v.Spec.ClaimRef.Name
		}
		return out
	}
}

func TestClaimsAreBound(t *testing.T) {
	t.Parallel()
	c := working(t, "persistentvolume-binder-controller")
	newVolume(c, "large", "10Gi", "")
	newVolume(c, "small", "2Gi", "")
	newVolume(c, "kept", "5Gi", `,"claimRef":{"namespace":"default","name":"later"}`)
	newVolume(c, "other", "1Gi", `,"accessModes":["ReadOnlyMany"]`)
	awaits(t, "Available", describeVolume(c, "large"))
	awaits(t, "Available later", describeVolume(c, "kept"))

	newClaim(c, "a", "1Gi", "") // the smallest that is enough
	awaits(t, "Bound small 2Gi", describeClaim(c, "a"))
	awaits(t, "Bound a", describeVolume(c, "small"))
	newClaim(c, "later", "1Gi", "")
	awaits(t, "Bound kept 5Gi", describeClaim(c, "later"))
	newClaim(c, "huge", "100Gi", "")
	awaits(t, "Pending  0", describeClaim(c, "huge"))
	newClaim(c, "chosen", "1Gi", `,"selector":{"matchLabels":{"name":"large"}}`)
	awaits(t, "Bound large 10Gi", describeClaim(c, "chosen"))
	newClaim(c, "named", "1Gi", `,"volumeName":"coming"`)
	awaits(t, "Pending coming 0", describeClaim(c, "named"))
	newVolume(c, "coming", "3Gi", "")
	awaits(t, "Bound coming 3Gi", describeClaim(c, "named"))
	newVolume(c, "enough", "200Gi", `,"persistentVolumeReclaimPolicy":"Delete"`)
	awaits(t, "Bound enough 200Gi", describeClaim(c, "huge"))

	// A volume outlives its claim, and a claim its volume.
	c.Delete(claimsPath + "/a").Must(200)
	awaits(t, "Released a", describeVolume(c, "small"))
	newClaim(c, "b", "1Gi", "")
	c.Delete(claimsPath + "/huge").Must(200)
	awaits(t, "Failed huge", describeVolume(c, "enough")) // nobody here can delete it
	awaits(t, "Pending  0", describeClaim(c, "b"))
	c.Patch(volumesPath+"/small", `{"spec":{"claimRef":null}}`).Must(200)
	awaits(t, "Bound small 2Gi", describeClaim(c, "b"))
	c.Delete(volumesPath + "/large").Must(200)
	c.Patch(volumesPath+"/large", `{"metadata":{"finalizers":null}}`).Must(200)
	awaits(t, "Lost large 0", describeClaim(c, "chosen"))
}

func TestClaimsOfClasses(t *testing.T) {
	t.Parallel()
	c := working(t, "persistentvolume-binder-controller")
	c.Post(classesPath, `{"metadata":{"name":"local"},"provisioner":"kubernetes.io/no-provisioner","volumeBindingMode":"WaitForFirstConsumer"}`).Must(201)
	c.Post(classesPath, `{"metadata":{"name":"made"},"provisioner":"example.org/maker"}`).Must(201)
	newVolume(c, "v", "2Gi", `,"storageClassName":"local"`)
	awaits(t, "Available", describeVolume(c, "v"))
	claim := func(name, class string) {
		c.Post(claimsPath, `{"metadata":{"name":"`+name+`"},"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}},"storageClassName":"`+class+`"}}`).Must(201)
	}
	claim("a", "local")
	reason := func(name, reason string) {
		t.Helper()
		awaits(t, reason, func() string {
			var events corev1.EventList
			c.Get("/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3D" + name + ",reason%3D" + reason).Must(200).Into(&events)
			if len(events.Items) == 0 {
				return ""
			}
			return events.Items[0].Reason
		})
	}
	reason("a", "WaitForFirstConsumer")
	c.Post(pods, `{"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"i"}],"volumes":[{"name":"v","persistentVolumeClaim":{"claimName":"a"}}]}}`).Must(201)
	awaits(t, "Bound v 2Gi", describeClaim(c, "a"))

	claim("b", "made")
	reason("b", "ExternalProvisioning")
	awaits(t, "example.org/maker", func() string {
		return c.Get(claimsPath + "/b").Must(200).Object().GetAnnotations()["volume.kubernetes.io/storage-provisioner"]
	})
	claim("c", "missing")
	reason("c", "ProvisioningFailed")
}
