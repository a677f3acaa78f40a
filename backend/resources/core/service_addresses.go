package core

import (
	"context"
	"fmt"
	"net/netip"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/allocator"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/klog/v2"
	netutils "k8s.io/utils/net"
)

// allocateClusterIPs takes an address for each family from the given one on:
// the one that clusterIPs names or any free one.
func (w *serviceWrite) allocateClusterIPs(from int) error {
	spec := &w.svc.Spec
	if spec.Type == corev1.ServiceTypeExternalName || isHeadless(w.svc) {
		return nil
	}
	for i := from; i < len(spec.IPFamilies); i++ {
		if i >= len(spec.ClusterIPs) {
			spec.ClusterIPs = append(spec.ClusterIPs, "")
		}
		ip, err := w.allocateIP(spec.ClusterIPs[i])
		if err != nil {
			return err
		}
		spec.ClusterIPs[i] = ip
		if i == 0 {
			spec.ClusterIP = ip
		}
	}
	return nil
}

func (w *serviceWrite) allocateIP(requested string) (string, error) {
	addrs := &w.a.addrs
	if requested == "" {
		ip, err := addrs.any(w.ctx, w.svc, w.dryRun)
		if err != nil {
			return "", apierrors.NewInternalError(fmt.Errorf("failed to allocate a serviceIP: %w", err))
		}
		w.taken = append(w.taken, ip)
		return ip, nil
	}
	if err := addrs.named(w.ctx, w.svc, requested, w.dryRun); err != nil {
		return "", invalidService(w.svc, field.Invalid(clusterIPsPath, w.svc.Spec.ClusterIPs, fmt.Sprintf("failed to allocate IP %v: %v", requested, err)))
	}
	w.taken = append(w.taken, requested)
	return requested, nil
}

func (w *serviceWrite) updateClusterIPs(old *corev1.Service) error {
	spec, was := &w.svc.Spec, &old.Spec
	switch {
	case keepsPreferredDualStack(w.svc, old):
		return nil
	case was.Type == corev1.ServiceTypeExternalName && spec.Type != corev1.ServiceTypeExternalName:
		return w.allocateClusterIPs(0)
	case len(was.ClusterIPs) > 0 && was.ClusterIPs[0] == corev1.ClusterIPNone:
		return nil
	case was.Type != corev1.ServiceTypeExternalName && spec.Type == corev1.ServiceTypeExternalName:
		w.released = append(w.released, was.ClusterIPs...)
	case len(was.IPFamilies) == 1 && len(spec.IPFamilies) == 2:
		return w.allocateClusterIPs(1)
	case len(was.IPFamilies) == 2 && len(spec.IPFamilies) == 1 && len(was.ClusterIPs) == 2:
		w.released = append(w.released, was.ClusterIPs[1])
	}
	return nil
}

// addresses are the addresses of the ServiceCIDRs; an IPAddress object stands
// for each that is taken.
type addresses struct{ env *registry.Env }

// ranges gives the ranges that addresses may come from now: the server's own,
// and those of all ServiceCIDRs that are ready and stay. The ServiceCIDR of the
// server's own range stands for it while it exists.
func (a addresses) ranges(ctx context.Context) ([]allocator.Range, error) {
	store := a.env.Registry.Store(networkingv1.GroupName, "servicecidrs")
	list, err := store.List(ctx, registry.ListOptions{})
	if err != nil {
		return nil, err
	}
	var out []allocator.Range
	own := a.rangesOf([]string{a.env.ServiceIPRange.String()})
	for _, item := range list.Items {
		obj, err := store.Decode(item)
		if err != nil {
			return nil, err
		}
		c := obj.(*networkingv1.ServiceCIDR)
		if c.Name == defaultServiceCIDR {
			own = nil
		}
		if c.DeletionTimestamp.IsZero() && serviceCIDRReady(c) {
			out = append(out, a.rangesOf(c.Spec.CIDRs)...)
		}
	}
	return append(own, out...), nil
}

func serviceCIDRReady(c *networkingv1.ServiceCIDR) bool {
	for _, cond := range c.Status.Conditions {
		if cond.Type == networkingv1.ServiceCIDRConditionReady {
			return cond.Status == metav1.ConditionTrue
		}
	}
	return true
}

func (a addresses) rangesOf(cidrs []string) []allocator.Range {
	var out []allocator.Range
	for _, c := range cidrs {
		prefix, err := netip.ParsePrefix(c)
		if err != nil || prefix.Addr().Is4() != a.env.ServiceIPRange.Addr().Is4() {
			continue
		}
		r, err := allocator.NewRange(prefix)
		if err != nil {
			klog.V(2).InfoS("service CIDR gives no addresses", "cidr", c, "reason", err)
			continue
		}
		out = append(out, r)
	}
	return out
}

// any takes a free address. A dry run answers with the address of the network,
// which no Service can have.
func (a addresses) any(ctx context.Context, svc *corev1.Service, dryRun bool) (string, error) {
	ranges, err := a.ranges(ctx)
	if err != nil {
		return "", err
	}
	for _, r := range ranges {
		if dryRun {
			return r.Prefix().Addr().String(), nil
		}
		var found string
		var failed error
		r.Candidates(func(addr netip.Addr) bool {
			taken, err := a.take(ctx, svc, addr)
			switch {
			case err != nil:
				failed = err
			case taken:
				found = addr.String()
			}
			return failed == nil && found == ""
		})
		if failed != nil || found != "" {
			return found, failed
		}
	}
	return "", allocator.ErrFull
}

// named takes one address.
func (a addresses) named(ctx context.Context, svc *corev1.Service, ip string, dryRun bool) error {
	std, ok := netip.AddrFromSlice(netutils.ParseIPSloppy(ip))
	if !ok {
		return allocator.ErrMismatchedNetwork
	}
	addr := std.Unmap()
	ranges, err := a.ranges(ctx)
	if err != nil {
		return err
	}
	if dryRun && len(ranges) > 0 && !ranges[0].Contains(addr) {
		return fmt.Errorf("provided IP is not in the valid range. The range of valid IPs is %s", ranges[0].Prefix())
	}
	for _, r := range ranges {
		if !r.Contains(addr) {
			continue
		}
		if dryRun {
			return nil
		}
		taken, err := a.take(ctx, svc, addr)
		if err == nil && !taken {
			return allocator.ErrAddressAllocated
		}
		return err
	}
	return allocator.ErrMismatchedNetwork
}

// take makes the IPAddress object of an address; false means that there is one.
func (a addresses) take(ctx context.Context, svc *corev1.Service, addr netip.Addr) (bool, error) {
	store := a.env.Registry.Store(networkingv1.GroupName, "ipaddresses")
	if _, err := store.Get(ctx, "", addr.String(), registry.GetOptions{}); err == nil {
		return false, nil
	} else if !apierrors.IsNotFound(err) {
		return false, err
	}
	// The object is the server's own, not the client's: it must not see the
	// warnings and the dry run of the request.
	_, err := store.Create(context.Background(), ipAddressOf(svc, addr), registry.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return false, nil
	}
	return err == nil, err
}

func ipAddressOf(svc *corev1.Service, addr netip.Addr) *networkingv1.IPAddress {
	return &networkingv1.IPAddress{
		ObjectMeta: metav1.ObjectMeta{
			Name: addr.String(),
			Labels: map[string]string{
				networkingv1.LabelIPAddressFamily: string(familyOfAddr(addr)),
				networkingv1.LabelManagedBy:       ipAddressManager,
			},
		},
		Spec: networkingv1.IPAddressSpec{
			ParentRef: &networkingv1.ParentReference{Resource: "services", Namespace: svc.Namespace, Name: svc.Name},
		},
	}
}

// ipAddressManager is what Kubernetes' allocator labels its IPAddress objects
// with.
const ipAddressManager = "ipallocator.k8s.io"

// release gives addresses back.
func (a addresses) release(ips []string) {
	store := a.env.Registry.Store(networkingv1.GroupName, "ipaddresses")
	for _, ip := range ips {
		std, ok := netip.AddrFromSlice(netutils.ParseIPSloppy(ip))
		if !ok {
			continue
		}
		_, err := store.Delete(context.Background(), "", std.Unmap().String(), registry.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			klog.ErrorS(err, "release the address of a service", "address", ip)
		}
	}
}
