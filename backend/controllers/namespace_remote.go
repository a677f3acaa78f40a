package controllers

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"

	"pilothouse/backend/client"

	apidiscoveryv2 "k8s.io/api/apidiscovery/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// emptyRemote does for the resources of other API servers what empty does for
// this one's. A namespace stays as long as one of them is away: nobody knows what
// it has there.
func (t *terminator) emptyRemote(ctx context.Context, name string, left *remains) {
	if t.Remote == nil {
		return
	}
	groups, _ := t.Remote()
	for _, g := range groups {
		for _, v := range g.Versions {
			gv := schema.GroupVersion{Group: g.Name, Version: v.Version}
			if v.Freshness == apidiscoveryv2.DiscoveryFreshnessStale {
				left.undiscovered = append(left.undiscovered, gv)
				continue
			}
			for _, r := range v.Resources {
				if r.Scope == apidiscoveryv2.ScopeNamespace && slices.Contains(r.Verbs, "list") && slices.Contains(r.Verbs, "delete") {
					if err := t.emptyRemoteResource(ctx, gv.WithResource(r.Resource), r.Verbs, name, left); err != nil {
						left.failures = append(left.failures, fmt.Errorf("%s: %w", gv.WithResource(r.Resource).GroupResource(), err))
					}
				}
			}
		}
	}
}

func (t *terminator) emptyRemoteResource(ctx context.Context, gvr schema.GroupVersionResource, verbs []string, name string, left *remains) error {
	items, err := t.remoteItems(ctx, gvr, name)
	if err != nil || len(items) == 0 {
		return ignoreNotFound(err)
	}
	background := metav1.DeletePropagationBackground
	options := &metav1.DeleteOptions{PropagationPolicy: &background}
	if slices.Contains(verbs, "deletecollection") {
		err = t.Client.DeleteCollection(ctx, gvr, name, options, metav1.ListOptions{})
	} else {
		for i := range items {
			if err = ignoreNotFound(t.Client.Delete(ctx, gvr, name, items[i].Name, options)); err != nil {
				break
			}
		}
	}
	if err != nil {
		return err
	}
	if items, err = t.remoteItems(ctx, gvr, name); err != nil {
		return ignoreNotFound(err)
	}
	for i := range items {
		left.resources[gvr.GroupResource()]++
		for _, f := range items[i].Finalizers {
			left.finalizers[f]++
		}
	}
	return nil
}

// remoteItems gives what there is of a resource; one that takes no lists has
// nothing.
func (t *terminator) remoteItems(ctx context.Context, gvr schema.GroupVersionResource, namespace string) ([]metav1.PartialObjectMetadata, error) {
	raw, err := t.Client.Bytes(ctx, client.Call{
		Method: "GET", Path: client.Path(gvr, namespace, "", ""),
		Accept: "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json",
	})
	if apierrors.IsMethodNotSupported(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list metav1.PartialObjectMetadataList
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, fmt.Errorf("list of %s: %w", gvr.GroupResource(), err)
	}
	return list.Items, nil
}

// undiscoveredList says what could not be discovered, in the words of
// Kubernetes' namespace controller and its client.
func (r *remains) undiscoveredList() string {
	words := make([]string, len(r.undiscovered))
	for i, gv := range r.undiscovered {
		words[i] = fmt.Sprintf("%s: stale GroupVersion discovery: %s", gv, gv)
	}
	sort.Strings(words)
	return fmt.Sprintf("Discovery failed for some groups, %d failing: unable to retrieve the complete list of server APIs: %s",
		len(words), strings.Join(words, ", "))
}
