import{L as a,M as b}from"./chunk-T5YXGKEQ.js";import"./chunk-3S4O5FEE.js";export{b as edit,a as insertFiles};
