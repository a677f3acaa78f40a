package apiaddress

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"net/netip"
	"strings"
	"time"

	"pilothouse/backend/client"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
)

// Each server has a Lease in kube-system with this label, and its address as the
// holder. Its name begins as those do that kube-apiserver says who it is with.
const (
	identityLabel = "apiserver.kubernetes.io/identity"
	identity      = "pilothouse-address"
	namePrefix    = "apiserver-"
)

// forgetAfter is when the Lease of a server that is silent is deleted.
const forgetAfter = time.Minute

var leaseGVR = coordinationv1.SchemeGroupVersion.WithResource("leases")

// leases tell which servers are there.
type leases struct {
	Options
	// seen is when a Lease changed last, by this server's clock: others' clocks
	// are not trusted.
	seen map[string]sighting
}

type sighting struct {
	version string
	at      time.Time
}

// name is the Lease's of this server.
func (l *leases) name() string {
	sum := sha256.Sum256([]byte(l.Address.String()))
	return namePrefix + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:16]))
}

// renew says that this server is there.
func (l *leases) renew(ctx context.Context) error {
	var lease coordinationv1.Lease
	err := l.Client.Get(ctx, leaseGVR, metav1.NamespaceSystem, l.name(), &lease)
	missing := apierrors.IsNotFound(err)
	if err != nil && !missing {
		return err
	}
	now := metav1.NewMicroTime(l.Clock())
	lease.Namespace, lease.Name, lease.Labels = metav1.NamespaceSystem, l.name(), map[string]string{identityLabel: identity}
	lease.Spec = coordinationv1.LeaseSpec{
		HolderIdentity: ptr.To(l.Address.String()), LeaseDurationSeconds: ptr.To(int32(silence / time.Second)), RenewTime: &now,
	}
	if missing {
		return l.Client.Create(ctx, leaseGVR, metav1.NamespaceSystem, &lease)
	}
	return l.Client.Update(ctx, leaseGVR, &lease)
}

// Servers gives the addresses of the servers that have said that they are there;
// one that has died since is among them for a minute.
func Servers(ctx context.Context, c *client.Client) ([]string, error) {
	found, err := list(ctx, c)
	if err != nil {
		return nil, err
	}
	var out []string
	for i := range found.Items {
		if a, err := netip.ParseAddr(ptr.Deref(found.Items[i].Spec.HolderIdentity, "")); err == nil {
			out = append(out, a.String())
		}
	}
	return out, nil
}

func list(ctx context.Context, c *client.Client) (*coordinationv1.LeaseList, error) {
	list := &coordinationv1.LeaseList{}
	return list, c.List(ctx, leaseGVR, metav1.NamespaceSystem, metav1.ListOptions{LabelSelector: identityLabel + "=" + identity}, list)
}

// live gives the addresses of the servers that are there.
func (l *leases) live(ctx context.Context) ([]string, error) {
	found, err := list(ctx, l.Client)
	if err != nil {
		return nil, err
	}
	now := l.Clock()
	var out []string
	known := map[string]sighting{}
	for i := range found.Items {
		lease := &found.Items[i]
		s := l.seen[lease.Name]
		if s.version != lease.ResourceVersion {
			s = sighting{lease.ResourceVersion, now}
		}
		known[lease.Name] = s
		switch silent := now.Sub(s.at); {
		case silent < silence:
			if a, err := netip.ParseAddr(ptr.Deref(lease.Spec.HolderIdentity, "")); err == nil && a.Is6() == l.Address.Is6() {
				out = append(out, a.String())
			}
		case silent > forgetAfter:
			klog.InfoS("An API server is gone", "address", ptr.Deref(lease.Spec.HolderIdentity, ""))
			if err := l.delete(ctx, lease.Name, metav1.Preconditions{ResourceVersion: &lease.ResourceVersion}); err != nil {
				return nil, err
			}
		}
	}
	l.seen = known
	return out, nil
}

// remove says that this server is not there any longer.
func (l *leases) remove(ctx context.Context) error {
	return l.delete(ctx, l.name(), metav1.Preconditions{})
}

func (l *leases) delete(ctx context.Context, name string, p metav1.Preconditions) error {
	err := l.Client.Delete(ctx, leaseGVR, metav1.NamespaceSystem, name, &metav1.DeleteOptions{Preconditions: &p})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return err
}
