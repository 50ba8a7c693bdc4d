// The picture: graphology holds what is drawn, sigma draws it. Places come from the server and are never changed here.
import Graph from 'graphology';
import Sigma from 'sigma';
import { NodeCircleProgram, NodePointProgram } from 'sigma/rendering';
import { visible } from '../words/visible';
import { boundsOf, isInside, linksOf, type GraphAnswer, type NodeColumns, type Point } from './data';
import { colourOf, palette, type Palette } from './palette';

const NODE_PIXELS = { account: 2.2, token: 5, group: 0 } as const;
const GROUP_LEAST = 6;
const GROUP_MOST = 26;
/** Room at the edges for the largest node and its label. */
const PADDING = 44;
/** Links of a chosen node that are drawn although their kind is off: a template of thousands would hide the picture. */
const MOST_BORROWED = 1_000;

interface Heard {
  choose: (node: number | null) => void;
  open: (node: number) => void;
  painted: () => void;
}

export class Drawing {
  #graph: Graph;
  #sigma: Sigma;
  #answer: GraphAnswer;
  #within: HTMLElement;
  #colours: Palette;
  #chosen: string | null = null;
  #near = new Set<string>();
  #drawn: number;
  /** Lines that are there because their node is chosen. */
  #borrowed: string[] = [];

  constructor(within: HTMLElement, answer: GraphAnswer, links: readonly number[], heard: Heard) {
    this.#within = within;
    this.#answer = answer;
    this.#colours = palette(within);
    this.#graph = new Graph({ type: 'undirected', multi: false });
    this.#addNodes(answer.nodes);
    this.#drawn = links.length;
    this.#addLinks(links);
    this.#sigma = new Sigma(this.#graph, within, this.#settings());
    const { left, top, wide, tall } = boundsOf(answer.nodes);
    this.#sigma.setCustomBBox({ x: [left, left + wide], y: [top - tall, top] });
    this.#sigma.on('clickNode', ({ node }) => heard.choose(Number(node)));
    this.#sigma.on('doubleClickNode', (event) => {
      event.preventSigmaDefault();
      heard.open(Number(event.node));
    });
    this.#sigma.on('clickStage', () => heard.choose(null));
    // The constructor drew the first frame already; it is on screen with the next one of the browser.
    requestAnimationFrame(heard.painted);
  }

  /** How many nodes and links the picture holds. */
  get order(): number {
    return this.#graph.order;
  }
  get links(): number {
    return this.#drawn;
  }

  show(links: readonly number[]): void {
    this.#graph.clearEdges();
    this.#borrowed = [];
    this.#drawn = links.length;
    this.#addLinks(links);
    this.choose(this.#chosen === null ? null : Number(this.#chosen));
  }

  /** Marks a node and what it is linked to, whether these links are drawn or not; null marks nothing. */
  choose(node: number | null): void {
    this.#chosen = node === null ? null : String(node);
    for (const edge of this.#borrowed) this.#graph.dropEdge(edge);
    this.#borrowed = node === null ? [] : this.#addLinks(linksOf(this.#answer.edges, node).slice(0, MOST_BORROWED));
    this.#near = new Set(this.#chosen === null ? [] : this.#graph.neighbors(this.#chosen));
    this.#sigma.refresh();
  }

  recolour(): void {
    this.#colours = palette(this.#within);
    this.#graph.updateEachNodeAttributes((key, attributes) => {
      const at = Number(key);
      const { kind, tier } = this.#answer.nodes;
      return { ...attributes, color: colourOf(kind[at] ?? '', tier[at] ?? null, this.#colours) };
    });
    this.#sigma.setSettings(this.#settings());
  }

  zoom(way: 'in' | 'out' | 'all'): void {
    const camera = this.#sigma.getCamera();
    const still = { duration: 0 };
    void (way === 'in'
      ? camera.animatedZoom(still)
      : way === 'out'
        ? camera.animatedUnzoom(still)
        : camera.animatedReset(still));
  }

  /** The nodes inside a closed line on the picture, in its pixels. */
  inside(line: readonly Point[]): number[] {
    return this.#graph
      .filterNodes((_key, { x, y }) => isInside(line, this.#sigma.graphToViewport({ x: Number(x), y: Number(y) })))
      .map(Number);
  }

  /** Brings a node into the middle. */
  centre(node: number): void {
    const shown = this.#sigma.getNodeDisplayData(String(node));
    if (shown) this.#sigma.getCamera().setState({ x: shown.x, y: shown.y });
  }

  /** The picture as it is on screen. */
  async png(): Promise<Blob> {
    this.#sigma.refresh();
    const scale = devicePixelRatio;
    const { width, height } = this.#sigma.getDimensions();
    const sheet = new OffscreenCanvas(width * scale, height * scale);
    const pen = sheet.getContext('2d');
    if (!pen) throw new Error('no canvas');
    pen.fillStyle = this.#colours.surface;
    pen.fillRect(0, 0, sheet.width, sheet.height);
    for (const layer of this.#within.querySelectorAll('canvas')) {
      if (layer.width && layer.height) pen.drawImage(layer, 0, 0, sheet.width, sheet.height);
    }
    return sheet.convertToBlob({ type: 'image/png' });
  }

  end(): void {
    this.#sigma.kill();
  }

  #addNodes(nodes: NodeColumns): void {
    const most = Math.max(1, ...nodes.size);
    for (let at = 0; at < nodes.node.length; at++) {
      const kind = nodes.kind[at] ?? 'account';
      const share = (nodes.size[at] ?? 0) / most;
      this.#graph.addNode(String(at), {
        x: nodes.x[at],
        y: nodes.y[at],
        size: kind === 'group' ? GROUP_LEAST + (GROUP_MOST - GROUP_LEAST) * share : NODE_PIXELS[kind],
        type: kind === 'account' ? 'point' : 'circle',
        label: visible(nodes.label[at] ?? ''),
        color: colourOf(kind, nodes.tier[at] ?? null, this.#colours),
      });
    }
  }

  /** The lines that were added; links of two groups by several kinds are one. */
  #addLinks(places: readonly number[]): string[] {
    const { source, target } = this.#answer.edges;
    const added: string[] = [];
    for (const at of places) {
      const line = { color: this.#colours.edge, size: 0.6 };
      const [edge, isNew] = this.#graph.mergeUndirectedEdge(String(source[at]), String(target[at]), line);
      if (isNew) added.push(edge);
    }
    return added;
  }

  #settings(): object {
    return {
      allowInvalidContainer: true,
      stagePadding: PADDING,
      // Accounts by the ten thousand are points, one vertex each instead of three.
      nodeProgramClasses: { circle: NodeCircleProgram, point: NodePointProgram },
      defaultEdgeColor: this.#colours.edge,
      labelColor: { color: this.#colours.ink },
      labelFont: 'inherit',
      labelDensity: 0.4,
      labelRenderedSizeThreshold: 9,
      minCameraRatio: 0.01,
      maxCameraRatio: 4,
      zIndex: false,
      nodeReducer: (key: string, attributes: Record<string, unknown>) => {
        if (this.#chosen === null) return attributes;
        if (key === this.#chosen) return { ...attributes, highlighted: true, size: 8, forceLabel: true };
        return this.#near.has(key) ? { ...attributes, size: 5, forceLabel: this.#near.size < 40 } : attributes;
      },
      edgeReducer: (edge: string, attributes: Record<string, unknown>) => {
        if (this.#chosen === null || !this.#graph.hasExtremity(edge, this.#chosen)) return attributes;
        return { ...attributes, color: this.#colours.picked, size: 1.6 };
      },
    };
  }
}
