package core

import (
	"context"
	"fmt"
	"net/netip"

	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
	netutils "k8s.io/utils/net"
)

// defaultServiceCIDR is the name of the ServiceCIDR that stands for the
// server's own range.
const defaultServiceCIDR = "kubernetes"

// FirstServiceAddress is the address of the Service kubernetes: the first that
// a range has.
func FirstServiceAddress(serviceRange netip.Prefix) netip.Addr {
	return serviceRange.Masked().Addr().Next()
}

// Repair brings the objects that stand for taken addresses in line with the
// Services, after a crash between two writes or a change of the range. It makes
// the ServiceCIDR of the server's own range. Call it before the first request.
func Repair(ctx context.Context, env *registry.Env) error {
	if err := ensureDefaultServiceCIDR(ctx, env); err != nil {
		return fmt.Errorf("service CIDR %s: %w", defaultServiceCIDR, err)
	}
	if err := repairAddresses(ctx, env); err != nil {
		return fmt.Errorf("addresses of services: %w", err)
	}
	return nil
}

func ensureDefaultServiceCIDR(ctx context.Context, env *registry.Env) error {
	store := env.Registry.Store(networkingv1.GroupName, "servicecidrs")
	cidr := env.ServiceIPRange.Masked().String()
	current, err := store.Get(ctx, "", defaultServiceCIDR, registry.GetOptions{})
	switch {
	case err == nil:
		obj, err := store.Decode(current)
		if err != nil {
			return err
		}
		if got := obj.(*networkingv1.ServiceCIDR).Spec.CIDRs; len(got) == 0 || got[0] != cidr {
			klog.InfoS("the default ServiceCIDR differs from the server's range", "cidrs", got, "range", cidr)
		}
		return nil
	case !apierrors.IsNotFound(err):
		return err
	}
	_, err = store.Create(ctx, &networkingv1.ServiceCIDR{
		ObjectMeta: metav1.ObjectMeta{Name: defaultServiceCIDR},
		Spec:       networkingv1.ServiceCIDRSpec{CIDRs: []string{cidr}},
	}, registry.CreateOptions{})
	if err != nil {
		return err
	}
	ready := metav1.Condition{
		Type:               networkingv1.ServiceCIDRConditionReady,
		Status:             metav1.ConditionTrue,
		LastTransitionTime: metav1.NewTime(env.Clock().UTC()),
		Message:            "Kubernetes default Service CIDR is ready",
	}
	return setServiceCIDRCondition(ctx, store, ready)
}

func setServiceCIDRCondition(ctx context.Context, store *registry.Store, ready metav1.Condition) error {
	_, err := store.Update(ctx, "", defaultServiceCIDR, registry.UpdateOptions{
		Strategy: statusStrategyOf(store.Resource()),
		Transform: func(_ context.Context, current scheme.Object) (scheme.Object, error) {
			c := current.(*networkingv1.ServiceCIDR)
			c.Status.Conditions = []metav1.Condition{ready}
			return c, nil
		},
	})
	return err
}

func statusStrategyOf(r *registry.Resource) *registry.Strategy {
	for i := range r.Subresources {
		if r.Subresources[i].Name == "status" {
			return r.Subresources[i].Strategy
		}
	}
	return nil
}

// repairAddresses deletes IPAddress objects that no Service uses any more and
// makes those that are missing. An address that two Services have stays with
// the first.
func repairAddresses(ctx context.Context, env *registry.Env) error {
	owners := map[string]*corev1.Service{}
	err := eachService(ctx, env, func(svc *corev1.Service) {
		if !needsClusterIP(svc) || isHeadless(svc) {
			return
		}
		for _, ip := range svc.Spec.ClusterIPs {
			if addr, ok := netip.AddrFromSlice(netutils.ParseIPSloppy(ip)); ok && owners[addr.Unmap().String()] == nil {
				owners[addr.Unmap().String()] = svc
			}
		}
	})
	if err != nil {
		return err
	}
	store := env.Registry.Store(networkingv1.GroupName, "ipaddresses")
	list, err := store.List(ctx, registry.ListOptions{})
	if err != nil {
		return err
	}
	for _, item := range list.Items {
		obj, err := store.Decode(item)
		if err != nil {
			return err
		}
		ip := obj.(*networkingv1.IPAddress)
		owner := owners[ip.Name]
		if ip.Labels[networkingv1.LabelManagedBy] != ipAddressManager || belongsTo(ip, owner) {
			delete(owners, ip.Name)
			continue
		}
		klog.InfoS("delete the address of a service that is gone", "address", ip.Name)
		if _, err := store.Delete(ctx, "", ip.Name, registry.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			return err
		}
	}
	for name, svc := range owners {
		klog.InfoS("make the address of a service", "address", name, "service", klog.KObj(svc))
		_, err := store.Create(ctx, ipAddressOf(svc, netip.MustParseAddr(name)), registry.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
	return nil
}

func belongsTo(ip *networkingv1.IPAddress, svc *corev1.Service) bool {
	ref := ip.Spec.ParentRef
	return svc != nil && ref != nil && ref.Group == "" && ref.Resource == "services" &&
		ref.Namespace == svc.Namespace && ref.Name == svc.Name
}
