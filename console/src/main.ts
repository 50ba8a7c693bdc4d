import { mount } from 'svelte';
import 'uplot/dist/uPlot.min.css';
import './app.css';
import App from './App.svelte';
import { applyTheme, preferences } from './state/preferences.svelte';

applyTheme(preferences.theme);
const target = document.getElementById('app');
if (target) mount(App, { target });
