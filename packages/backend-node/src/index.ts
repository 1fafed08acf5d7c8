export { hasNode, type NodeBackendInfo, type UseNodeOptions, useNode } from './use-node.js';
